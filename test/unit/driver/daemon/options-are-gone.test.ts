import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { optionsAreGone } from '../../../../driver/daemon/options-are-gone.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

function stateDir(files: Record<string, string>): string {
  const folder = temporaryFolder()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

const identity = { 'host.json': '{"id":"a","name":"net-2"}' }

test.each([
  [
    'names the store that its copy is of',
    { ...identity, 'snapshot.json': '{"format":3,"store":"consul://a:8500/multihost"}\n' },
    'consul://a:8500/multihost',
  ],
  ['has no copy of the store', identity, 'consul://HOST:8500'],
])('a member whose options are gone, which %s, is told which line is missing', async (_, files, store) => {
  const { line = '' } = (await optionsAreGone({ stateDir: stateDir(files) })) ?? {}
  expect(line).toMatch(
    /^this host is net-2, and its options are gone; put MULTIHOST_OPTS back into \/etc\/default\/multihost/,
  )
  expect(line).toContain(`MULTIHOST_OPTS="--kv-store=${store}"`)
})

test('a host that names a store, and one without a name in a cluster, lack nothing', async () => {
  expect(await optionsAreGone({ stateDir: stateDir(identity), kvStore: 'consul://a:8500' })).toBeUndefined()
  expect(await optionsAreGone({ stateDir: stateDir({}) })).toBeUndefined()
})
