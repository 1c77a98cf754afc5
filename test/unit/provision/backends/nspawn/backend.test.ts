import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { nspawnBackend } from '../../../../../provision/backends/nspawn/backend.ts'
import { generateLab } from '../../../../../provision/lab/definition.ts'
import { temporaryFolder } from '../../../../fixtures/temporary-folder.ts'

test.each([0o077, 0o000])('what a lab makes is for every user to read under umask %o', (umask) => {
  const before = process.umask(umask)
  onTestFinished(() => void process.umask(before))
  const options = { name: 'masked', explicit: false, engines: {}, secure: false, inventory: '', programs: {} }
  nspawnBackend({ ...options, lab: generateLab(2) })
  const file = join(temporaryFolder(), 'file')
  writeFileSync(file, '')
  expect(statSync(file).mode & 0o777).toBe(0o644)
})
