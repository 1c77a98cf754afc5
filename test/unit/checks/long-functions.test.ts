import { expect, test } from 'vitest'
import { longFunctions } from '../../checks/long-functions.ts'

test('names the functions that are too long, of every form, with their lines', () => {
  const text = [
    'function short() {',
    '}',
    'function long() {',
    '  // a comment counts',
    '',
    '}',
    'const arrow = () => {',
    '  return 1',
    '',
    '}',
  ].join('\n')
  expect(longFunctions({ path: 'a.ts', text }, 3)).toEqual([
    { path: 'a.ts', name: 'long', line: 3, lines: 4 },
    { path: 'a.ts', name: '() => {', line: 7, lines: 4 },
  ])
  expect(longFunctions({ path: 'a.ts', text }, 4)).toEqual([])
})
