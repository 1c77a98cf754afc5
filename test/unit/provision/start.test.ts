import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'

const root = fileURLToPath(new URL('../../..', import.meta.url))

test('programs find modprobe and iptables with the PATH of root by su on Debian', () => {
  const folder = mkdtempSync(join(tmpdir(), 'multihost-start-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const program = join(folder, 'program.mjs')
  writeFileSync(program, 'console.log(process.env.PATH)')
  const { stdout, stderr } = spawnSync(process.execPath, ['provision/start.mjs', relative(root, program)], {
    cwd: root,
    env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    encoding: 'utf8',
  })
  expect([stdout, stderr]).toEqual(['/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin\n', ''])
})
