import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { bundle } from '../../../driver/bundle.ts'
import { temporaryFolder } from '../../fixtures/temporary-folder.ts'

test('who reads the bundle while another build writes it has the earlier one as a whole', async () => {
  const folder = temporaryFolder()
  const file = join(folder, 'multihost.cjs')
  writeFileSync(file, 'earlier')
  const reader = openSync(file, 'r')
  onTestFinished(() => closeSync(reader))
  await bundle(file)
  expect(readFileSync(reader, 'utf8')).toBe('earlier')
  expect(readFileSync(file, 'utf8')).toMatch(/^#!/)
  expect(readdirSync(folder)).toEqual(['multihost.cjs'])
})
