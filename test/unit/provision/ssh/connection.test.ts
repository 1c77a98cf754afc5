import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { uploadCommand } from '../../../../provision/ssh/connection.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

test('every user can reach an uploaded file, also when the umask on the host is 077', () => {
  const root = temporaryFolder()
  const path = join(root, 'lib/it is/file')
  execFileSync('sh', ['-c', `umask 077; ${uploadCommand(path, '0755')}`], { input: 'text' })
  expect(readFileSync(path, 'utf8')).toBe('text')
  const modes = ['lib', 'lib/it is', 'lib/it is/file'].map((name) => statSync(join(root, name)).mode & 0o777)
  expect(modes).toEqual([0o755, 0o755, 0o755])
})
