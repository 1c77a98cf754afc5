import { expect, test } from 'vitest'
import { checkVersion, defaultEngine, engineOf } from '../../../../provision/images/engines.ts'

test('the default engine is in the table, and an unknown one names those that are', () => {
  expect(engineOf(defaultEngine).version).toBe(defaultEngine)
  expect(() => engineOf('19')).toThrow('unknown engine "19": allowed are 20.10, 26, 28, 29')
})

test('the version that was asked for is a prefix of the one that dockerd prints', () => {
  checkVersion('28', 'Docker version 28.5.2+dfsg1, build ecc6942', 'net-1')
  checkVersion('20.10', 'Docker version 20.10.24+dfsg1, build 297e128', 'net-1')
  expect(() => checkVersion('28', 'Docker version 29.0.1, build abc', 'net-1')).toThrow(
    'net-1: has engine 29.0.1, and engine 28 was asked for',
  )
  expect(() => checkVersion('2', 'Docker version 28.5.2, build abc', 'net-1')).toThrow(
    'engine 2 was asked for',
  )
})
