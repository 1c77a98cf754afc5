import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ownFolder, subjectIn } from '../../../scenarios/own-folder.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'own-folder-'))
  for (const name of ['node_modules/kit', 'empty', 'deep']) mkdirSync(join(folder, name), { recursive: true })
  for (const name of ['one', 'deep/two', 'node_modules/kit/three'])
    writeFileSync(join(folder, `${name}.scenario.ts`), '')
})
afterAll(() => rmSync(folder, { recursive: true }))

test('a folder has the scenarios below it, without those of its packages', () => {
  expect(ownFolder([folder])).toEqual({
    path: `${folder}/`,
    files: ['deep/two.scenario.ts', 'one.scenario.ts'],
  })
  expect(ownFolder([folder, 'deep'])?.files).toEqual(['deep/two.scenario.ts'])
})

test('its lab.json is the list of hosts', () => {
  writeFileSync(join(folder, 'lab.json'), '{}')
  expect(ownFolder([folder])?.labFile).toBe(join(folder, 'lab.json'))
})

test('a filter is no folder, nor is a folder of our own scenarios', () => {
  expect(ownFolder([])).toBeUndefined()
  expect(ownFolder(['overlay/names'])).toBeUndefined()
  expect(ownFolder(['scenarios/overlay'])).toBeUndefined()
})

test('a folder or a filter without scenarios is refused', () => {
  expect(() => ownFolder([join(folder, 'empty')])).toThrow('empty/ has no file *.scenario.ts')
  expect(() => ownFolder([folder, 'three'])).toThrow('has no file three*.scenario.ts')
})

test('a folder without a subject is tested with our driver; a file that exports none is refused', async () => {
  const own = ownFolder([folder])
  if (own === undefined) throw new Error('the folder has scenarios')
  expect(await subjectIn(own)).toBeUndefined()
  writeFileSync(join(folder, 'subject.ts'), 'export const subject = 1')
  await expect(subjectIn(own)).rejects.toThrow('subject.ts exports no subject')
})
