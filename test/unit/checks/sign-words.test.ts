import { expect, test } from 'vitest'
import { signWordsOf } from '../../checks/sign-words.ts'

test('counts every sign word, also two in a line, and none inside another word', () => {
  const text = [
    '// Whoever asks, nobody answers',
    'a nobody-else, whateverness',
    'what has been, and there is none',
    'it is no Consul, and there is no DNS',
  ].join('\n')
  expect(signWordsOf({ path: 'a.ts', text }).map(({ line, words }) => `${line} ${words}`)).toEqual([
    '1 Whoever',
    '1 nobody',
    '2 nobody',
    '3 what has been',
    '3 is none',
    '4 is no Consul',
  ])
})
