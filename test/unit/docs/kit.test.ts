/** docs/scenarios.md is the author's page: it has every word that scenarios/kit exports for authors. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const page = readFileSync(`${root}docs/scenarios.md`, 'utf8')
const examples = [...page.matchAll(/^```ts\n(.*?)^```/gms)].map((found) => found[1]).join('\n')

/** What the kit's own modules use of each other, and the program of the kit. */
const internal: Readonly<Record<string, readonly string[]>> = {
  'before-teardown': ['beforeTeardown', 'undoing', 'goesOnAfterUndo'],
  debug: ['isDebug', 'goesOn', 'pauseAt', 'pauseAfterFailedExpect'],
  disk: ['smallDisk'], // `faults.smallDisk`
  failure: ['ScenarioFailure'],
  fault: ['healAll'],
  faults: ['faultsOf'],
  host: ['labHost'],
  leftovers: ['removeLeftovers', 'scenarioFailed'],
  pings: ['lossIn'],
  subject: ['isFeature', 'subjectVariable', 'environmentFor'],
}

const modules = readdirSync(`${root}scenarios/kit`).map((file) => file.replace(/\.ts$/, ''))

function exportsOf(module: string): string[] {
  const text = readFileSync(`${root}scenarios/kit/${module}.ts`, 'utf8')
  const found = text.matchAll(/^export (?:async )?(?:function|const|class) (\w+)/gm)
  return [...new Set([...found].flatMap(([, name]) => name ?? []))]
}

test.each(modules)('the words of kit/%s are in docs/scenarios.md, each in an example', (module) => {
  const isShown = (name: string) => new RegExp(`\\b${name}\\b`).test(examples)
  const missing = exportsOf(module).filter((name) => !internal[module]?.includes(name) && !isShown(name))
  expect(missing).toEqual([])
})

test('the page names the module of each word', () => {
  const table = page.split('## The module of each word')[1]?.split('\n## ')[0] ?? ''
  const named = modules.filter((module) =>
    exportsOf(module).some((name) => !internal[module]?.includes(name)),
  )
  expect(named.filter((module) => !table.includes(`\`${module}\``))).toEqual([])
})
