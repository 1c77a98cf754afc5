import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { emptyReportFolder } from '../../../../scenarios/record/folder.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

afterEach(() => void vi.unstubAllEnvs())

function folderWith(...names: string[]): string {
  const folder = temporaryFolder()
  vi.stubEnv('MULTIHOST_REPORT', folder)
  for (const name of names) writeFileSync(join(folder, name), '')
  return folder
}

test('the report of an earlier run is removed, and other files stay', () => {
  const folder = folderWith('index.html', 'junit.xml', 'events.jsonl', 'notes.md')
  emptyReportFolder()
  expect(readdirSync(folder)).toEqual(['notes.md'])
})

test('an index.html of a person’s is not replaced', () => {
  const folder = folderWith('index.html', 'notes.md')
  expect(() => emptyReportFolder()).toThrow(`${folder} has index.html, and no report of an earlier run`)
  expect(readdirSync(folder)).toEqual(['index.html', 'notes.md'])
})
