import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { isPortRefused } from '../../../../driver/kernel/refused-port.ts'

test('a port is refused when no process has it any more', async () => {
  const socket = createSocket('udp4')
  socket.bind({ address: '127.0.0.1' })
  await once(socket, 'listening')
  const { port } = socket.address()
  expect(await isPortRefused('127.0.0.1', '127.0.0.1', port)).toBe(false)
  socket.close()
  expect(await isPortRefused('127.0.0.1', '127.0.0.1', port)).toBe(true)
})

test('an address that this host does not have refuses nothing', async () => {
  expect(await isPortRefused('203.0.113.1', '127.0.0.1', 9)).toBe(false)
})
