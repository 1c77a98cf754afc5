import { createServer } from 'node:http'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ask } from '../../../../driver/control/client.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

async function slowDriver(answersAfterMs: number): Promise<string> {
  const folder = temporaryFolder()
  const server = createServer((_, response) => setTimeout(() => response.end('{}'), answersAfterMs))
  const socket = join(folder, 'control.sock')
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return socket
}

test('a question has the time limit that it needs', async () => {
  const socket = await slowDriver(150)
  await expect(ask(socket, 'GET', '/check', { withinMs: 50 })).rejects.toThrow(
    `no driver answers on ${socket}: no answer within 0.05 s`,
  )
  expect(await ask(socket, 'GET', '/check', { withinMs: 5000 })).toEqual({})
  expect(await ask(socket, 'GET', '/status')).toEqual({})
})
