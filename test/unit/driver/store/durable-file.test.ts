import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { asDriverError } from '../../../../driver/core/errors.ts'
import { unwritable, writeDurably } from '../../../../driver/store/durable-file.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

test.each([
  ['ENOSPC: no space left on device, write', 'ENOSPC: no space left on device; make room on its disk'],
  [
    "EROFS: read-only file system, open '/a/b.new'",
    'EROFS: read-only file system; see the reason with dmesg, and mount its file system writable',
  ],
  ["EIO: i/o error, open '/a/b.new'", 'EIO: i/o error'],
])('a file that cannot be written is named, with a remedy: %s', (message, says) => {
  const code = message.split(':')[0]
  const error = unwritable('/a/b', Object.assign(new Error(message), { code }))
  expect(error.line).toBe(`/a/b cannot be written: ${says}`)
})

test('a write that the file system refuses leaves the old content', async () => {
  const path = join(temporaryFolder(), 'a')
  await writeDurably(path, 'old')
  await writeFile(join(path, '..', 'file'), '')
  const refused = await writeDurably(join(path, '..', 'file', 'b'), 'new').catch(asDriverError)
  expect(refused).toMatchObject({
    code: 'kernel',
    message: expect.stringMatching(/file\/b cannot be written: E/),
  })
  expect(await readFile(path, 'utf8')).toBe('old')
})
