import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startDefaultNetworkFile } from '../../../../driver/dialect/default-network-file.ts'
import { readableLog } from '../../../fixtures/log.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

function start() {
  const folder = temporaryFolder()
  const file = join(folder, 'run', 'default-network')
  const state = { isReady: true, looks: 0 }
  const loop = startDefaultNetworkFile({
    name: 'multihost',
    file,
    async ready() {
      state.looks += 1
      return state.isReady
    },
    inSwarmMode: async () => false,
    log: readableLog().log,
    everyMs: 60_000,
  })
  onTestFinished(loop.close)
  const content = () => existsSync(file) && readFileSync(file, 'utf8')
  return { folder, file, state, loop, content }
}

test('the file names the network while the engine has it', async () => {
  const { state, loop, content } = start()
  await expect.poll(content).toBe('multihost\n')
  state.isReady = false
  loop.poke()
  await expect.poll(content).toBe(false)
})

test('a file that a person removed is written again, also with its folder', async () => {
  const { folder, file, loop, content } = start()
  await expect.poll(content).toBe('multihost\n')
  for (const removed of [file, join(folder, 'run')]) {
    rmSync(removed, { recursive: true })
    loop.poke()
    await expect.poll(content).toBe('multihost\n')
  }
})
