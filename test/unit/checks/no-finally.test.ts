import { expect, test } from 'vitest'
import { finallyIn, isScenario } from '../../checks/no-finally.ts'

test('names the line of each finally, of a try and of a promise', () => {
  const text = [
    'try {',
    '  await body()',
    '} finally {',
    '  await undo()',
    '}',
    'await body()',
    '  .finally(undo)',
    'try {',
    '  await body()',
    '} catch {',
    "  say('finally')",
    '}',
    '// finally',
  ].join('\n')
  expect(finallyIn({ path: 'a.scenario.ts', text })).toEqual([
    { path: 'a.scenario.ts', line: 3 },
    { path: 'a.scenario.ts', line: 7 },
  ])
})

test('is for scenarios alone', () => {
  const paths = ['scenarios/faults/check.scenario.ts', 'docs/examples/a.scenario.ts', 'scenarios/main.ts']
  expect(paths.filter(isScenario)).toEqual(paths.slice(0, 2))
})
