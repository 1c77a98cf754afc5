import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commandText } from '../../../../provision/package/host-files.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const system = '/usr/local/sbin:/usr/sbin:/sbin'

test.each([
  ['of root by su on Debian', '/usr/local/bin:/usr/bin:/bin', `/usr/local/bin:/usr/bin:/bin:${system}`],
  ['that is empty', '', system],
])('the command finds the programs of administrators with a PATH %s', (_, given, found) => {
  const folder = temporaryFolder()
  const [command, program] = [join(folder, 'multihost'), join(folder, 'program')]
  writeFileSync(command, commandText({ node: '/bin/sh', program }), { mode: 0o755 })
  writeFileSync(program, 'echo "$PATH"; for word do echo "$word"; done')
  const said = execFileSync(command, ['a b', '*'], { env: { PATH: given }, encoding: 'utf8' })
  expect(said).toBe(`${found}\na b\n*\n`)
})

test('options for other programs of Node do not reach the command', () => {
  const folder = temporaryFolder()
  const [command, program] = [join(folder, 'multihost'), join(folder, 'program.cjs')]
  writeFileSync(command, commandText({ node: process.execPath, program }), { mode: 0o755 })
  writeFileSync(program, 'console.log(process.argv[2])')
  const env = { PATH: '/usr/bin:/bin', NODE_OPTIONS: '--require /nowhere/agent.js' }
  expect(execFileSync(command, ['a'], { env, encoding: 'utf8' })).toBe('a\n')
})
