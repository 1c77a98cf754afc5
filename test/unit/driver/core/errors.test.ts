import { expect, test } from 'vitest'
import { asDriverError, DriverError, isCode } from '../../../../driver/core/errors.ts'

test('the line for people is the message and the way out', () => {
  expect(new DriverError('invalid', 'no', { hint: 'say yes' }).line).toBe('no; say yes')
  expect(new DriverError('invalid', 'no').line).toBe('no')
})

test('errors are told apart by code', () => {
  const error = new DriverError('taken', 'mine')
  expect(isCode(error, 'conflict', 'taken')).toBe(true)
  expect(isCode(error, 'conflict')).toBe(false)
  expect(isCode(new Error('taken'), 'taken')).toBe(false)
})

test('what is not ours is a defect, with its cause kept', () => {
  const ours = new DriverError('taken', 'mine')
  const foreign = new TypeError('x is not a function')
  expect(asDriverError(ours)).toBe(ours)
  expect(asDriverError(foreign)).toMatchObject({
    code: 'internal',
    message: 'x is not a function',
    cause: foreign,
  })
  expect(asDriverError('thrown text')).toMatchObject({ code: 'internal', message: 'thrown text' })
})
