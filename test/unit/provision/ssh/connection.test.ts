import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { uploadCommand } from '../../../../provision/ssh/connection.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'
import { until } from '../../../fixtures/until.ts'

test('every user can reach an uploaded file, also when the umask on the host is 077', () => {
  const root = temporaryFolder()
  const path = join(root, 'lib/it is/file')
  execFileSync('sh', ['-c', `umask 077; ${uploadCommand(path, '0755')}`], { input: 'text' })
  expect(readFileSync(path, 'utf8')).toBe('text')
  const modes = ['lib', 'lib/it is', 'lib/it is/file'].map((name) => statSync(join(root, name)).mode & 0o777)
  expect(modes).toEqual([0o755, 0o755, 0o755])
})

test('a secret can be read by no other user while it is written', async () => {
  const path = join(temporaryFolder(), 'token')
  const child = spawn('sh', ['-c', `umask 022; ${uploadCommand(path, '0600')}`])
  child.stdin.write('secret')
  const part = `${path}.part`
  await until('the first bytes are written', () => existsSync(part) && statSync(part).size > 0)
  expect(statSync(part).mode & 0o777).toBe(0o600)
  child.stdin.end()
  await once(child, 'close')
  expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o777]).toEqual(['secret', 0o600])
})

test('a link in the place of the temporary file leads nowhere', () => {
  const root = temporaryFolder()
  const [path, other] = [join(root, 'image.tar'), join(root, 'other')]
  writeFileSync(other, 'theirs')
  symlinkSync(other, `${path}.part`)
  execFileSync('sh', ['-c', uploadCommand(path, '0644')], { input: 'text' })
  expect([readFileSync(path, 'utf8'), readFileSync(other, 'utf8')]).toEqual(['text', 'theirs'])
})
