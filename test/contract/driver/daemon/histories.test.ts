/**
 * Random histories of three whole drivers (test/histories). The same ones each time, so that a red run is
 * repeated by the same command; `npm run histories` lives others, and many more.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../../..', import.meta.url))

test('a thousand random histories take no link of a running container and give no address twice', () => {
  const args = ['provision/start.mjs', 'test/histories/main.ts', '--count', '1000', '--seed', '1']
  const { status, stdout, stderr } = spawnSync('node', args, { cwd: root, encoding: 'utf8' })
  expect(`${stderr}${stdout}`).toMatch(/1000 histories, seed \d+, .*: every invariant held/)
  expect(status).toBe(0)
}, 600_000)
