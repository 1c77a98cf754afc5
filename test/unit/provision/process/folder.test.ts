import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { folderFrom } from '../../../../provision/process/folder.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const folder = temporaryFolder(afterAll)
afterEach(() => vi.unstubAllEnvs())

function named(value: string, longest?: number): string {
  vi.stubEnv('A_FOLDER', value)
  return folderFrom('A_FOLDER', '/run/usual', longest)
}

test('an empty variable is as good as none', () => {
  expect(named('')).toBe('/run/usual')
  expect(folderFrom('NO_SUCH_VARIABLE', '/run/usual')).toBe('/run/usual')
})

test('a folder that does not exist yet is named without the links on the way', () => {
  mkdirSync(join(folder, 'real'))
  symlinkSync('real', join(folder, 'link'))
  expect(named(join(folder, 'link/deep/er/'))).toBe(join(folder, 'real/deep/er'))
})

test.each([
  ['labs', 'A_FOLDER=labs: the absolute path of a folder below /'],
  ['./labs', 'A_FOLDER=./labs: the absolute path'],
  ['/', 'A_FOLDER=/: the absolute path of a folder below /'],
  ['/a:b', 'A_FOLDER=/a:b: a path without comma, colon and backslash'],
  ['/a,b', 'A_FOLDER=/a,b: a path without comma'],
  ['/none/abcdef', 'A_FOLDER=/none/abcdef: 12 bytes, and at most 11 fit'],
])('%s is refused', (value, message) => {
  expect(() => named(value, 11)).toThrow(message)
})
