import ssh2 from 'ssh2'
import { expect, test } from 'vitest'
import { keyPair } from '../../../../../provision/backends/nspawn/keys.ts'

test('every key that is made can be read: of 1,500, about six would not', () => {
  const keys = Array.from({ length: 1500 }, () => keyPair('lab test', ssh2.utils).private)
  expect(keys.filter((key) => ssh2.utils.parseKey(key) instanceof Error)).toEqual([])
})
