import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { LabError } from '../../../provision/process/errors.ts'
import { ownFolder, subjectIn } from '../../../scenarios/own-folder.ts'
import { root } from '../../../scenarios/record/folder.ts'
import { temporaryFolder } from '../../fixtures/temporary-folder.ts'

const folder = temporaryFolder(afterAll)
beforeAll(() => {
  for (const name of ['node_modules/kit', 'empty', 'deep']) mkdirSync(join(folder, name), { recursive: true })
  for (const name of ['one', 'deep/two', 'node_modules/kit/three'])
    writeFileSync(join(folder, `${name}.scenario.ts`), '')
})

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

test('a link to a folder is not followed', () => {
  mkdirSync(join(folder, 'linked'))
  writeFileSync(join(folder, 'linked/one.scenario.ts'), '')
  for (const name of ['loop', 'again']) symlinkSync('.', join(folder, 'linked', name))
  expect(ownFolder([join(folder, 'linked')])?.files).toEqual(['one.scenario.ts'])
  rmSync(join(folder, 'linked'), { recursive: true })
})

test('an empty word and the folder of this project are no folder of scenarios', () => {
  expect(() => ownFolder([''])).toThrow('the first argument is empty')
  for (const path of ['.', '/']) expect(() => ownFolder([path])).toThrow('contains this whole project')
})

test('a folder or a filter without scenarios is refused', () => {
  expect(() => ownFolder([join(folder, 'empty')])).toThrow('empty/ has no file *.scenario.ts')
  expect(() => ownFolder([folder, 'three'])).toThrow('has no file three*.scenario.ts')
})

test.each(['subject.ts', 'lab.json'])('a folder below with a %s of its own is refused, and said', (name) => {
  const above = join(folder, 'above')
  mkdirSync(join(above, 'a/b'), { recursive: true })
  onTestFinished(() => rmSync(above, { recursive: true }))
  writeFileSync(join(above, 'a/b/one.scenario.ts'), '')
  expect(ownFolder([above])?.files).toEqual(['a/b/one.scenario.ts'])
  writeFileSync(join(above, 'a', name), '')
  expect(() => ownFolder([above])).toThrow(`above/: a below it has a ${name} of its own`)
  expect(ownFolder([join(above, 'a')])?.files).toEqual(['b/one.scenario.ts'])
})

test('a folder without a subject is tested with our driver', async () => {
  expect(await subjectIn({ path: `${join(folder, 'deep')}/`, files: [] })).toBeUndefined()
})

const whole = `name: 'web', role: 'bare', steps: [], mustPass: true, create: [], spreads: 'perhaps', unit: 'web',
  answers: 'true', settled: 'true', evidence: {}, lacks: {}`

test('a subject with all its words is taken', async () => {
  const path = join(folder, 'whole')
  mkdirSync(path)
  writeFileSync(join(path, 'subject.ts'), `export default { ${whole} }`)
  expect(await subjectIn({ path, files: [] })).toMatchObject({ name: 'web', role: 'bare' })
})

test.each([
  ['export const subject = 1', 'exports no subject'],
  [
    `export default { name: 'web', role: 'bare', unit: '' }`,
    'the subject lacks steps, mustPass, create, spreads, unit, answers, settled, evidence, lacks, or has a value',
  ],
  [`export default { ${whole}, role: 'bear' }`, 'role "bear" is not one of consul, docker, bare'],
  [
    `export default { ${whole}, steps: [{ title: 'one' }] }`,
    'step 1 of its subject needs a title, holds and apply',
  ],
  [`throw new Error('no such thing')`, 'cannot be loaded: no such thing (line 1)'],
  ['export default {', 'cannot be loaded: '],
])('a subject that is refused: %s', async (text, message) => {
  const path = mkdtempSync(join(folder, 'wrong-'))
  writeFileSync(join(path, 'subject.ts'), text)
  await expect(subjectIn({ path, files: [] })).rejects.toThrow(message)
  await expect(subjectIn({ path, files: [] })).rejects.toThrow(LabError)
})

test.each(['{ "type": "commonjs" }', undefined])(
  'a repository whose package.json is %s has a subject',
  (json) => {
    const project = mkdtempSync(join(folder, 'project-'))
    mkdirSync(join(project, 'node_modules'))
    symlinkSync(root, join(project, 'node_modules/multihost'))
    if (json !== undefined) writeFileSync(join(project, 'package.json'), json)
    cpSync(join(root, 'docs/examples/own-project'), project, { recursive: true })
    // Refused after the subject was loaded, and before vitest starts.
    const args = [join(root, 'provision/bin.mjs'), 'scenarios', '.', '--on', 'none', '--repeat', '2']
    const { stderr, status } = spawnSync(process.execPath, args, { cwd: project, encoding: 'utf8' })
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: expect.stringContaining('--repeat is for a new lab'),
    })
  },
)
