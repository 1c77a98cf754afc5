import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { checkPage, hostsNeededBy, lastSection, selected, wideName } from '../../../scenarios/selection.ts'
import { temporaryFolder } from '../../fixtures/temporary-folder.ts'

const files = [
  'walkthrough/1-first.scenario.ts',
  'walkthrough/2-second.scenario.ts',
  'walkthrough/3-third.scenario.ts',
  'conformance/traffic.scenario.ts',
  'faults/restarts.scenario.ts',
]
const paths = (names: string[]) => names.map((name) => `scenarios/${name}`)

test('without a filter the walkthrough is selected, with --all everything', () => {
  expect(selected({ filters: [], all: false }, files)).toEqual(paths(files.slice(0, 3)))
  expect(selected({ filters: [], all: true }, files)).toEqual(paths(files))
  expect(selected({ filters: [], all: false, folder: 'conformance/' }, files)).toEqual(
    paths([files[3] ?? '']),
  )
})

test('a file of the walkthrough brings those that it rests on', () => {
  expect(selected({ filters: ['second'], all: false }, files)).toEqual(paths(files.slice(0, 2)))
  expect(selected({ filters: ['restarts'], all: false }, files)).toEqual(paths(files.slice(4)))
})

test('the last section of a run is the last that it takes', () => {
  expect(lastSection(selected({ filters: ['second', 'restarts'], all: false }, files))).toBe(
    'scenarios/walkthrough/2-second.scenario.ts',
  )
  expect(lastSection(selected({ filters: ['restarts'], all: false }, files))).toBeUndefined()
})

test('a filter that matches nothing names what there is', () => {
  expect(() => selected({ filters: ['nope'], all: false }, files)).toThrow(/nope/)
})

function pageWith(change: (text: string) => string): void {
  const copy = join(temporaryFolder(), 'page.md')
  const text = readFileSync(new URL('../../../docs/walkthrough.md', import.meta.url), 'utf8')
  writeFileSync(copy, change(text))
  process.env.MULTIHOST_PAGE = copy
  onTestFinished(() => void delete process.env.MULTIHOST_PAGE)
}

test('every section of the walkthrough has its file, and every file its section', () => {
  expect(() => checkPage()).not.toThrow()
})

test('a section without a file, and a file without a section, fail', () => {
  pageWith((text) => `${text}\n## One more\n\n\`\`\`sh net-1\n$ true\n\`\`\`\n`)
  expect(() => checkPage()).toThrow(/page\.md:\d+: no scenario replays "One more"/)
  pageWith((text) => text.replace('## A look at the interfaces', '### A look at the interfaces'))
  expect(() => checkPage()).toThrow(/4-a-look-at-the-interfaces\.scenario\.ts replays no section of/)
})

test('a file says how many hosts it needs', () => {
  expect(hostsNeededBy('scenarios/overlay/mesh.scenario.ts')).toEqual({ docker: 4 })
  expect(hostsNeededBy('scenarios/faults/consul-servers.scenario.ts')).toEqual({ consul: 3 })
  expect(hostsNeededBy('scenarios/overlay/names.scenario.ts')).toEqual({})
})

test('labs with long names have wide labs with names of their own', () => {
  expect(wideName('scenarios')).toBe('scenarioswide')
  const names = ['integrationtest1', 'integrationtest2', 'integration1'].map(wideName)
  expect(new Set(names).size).toBe(3)
  for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9]{0,15}$/)
})
