import { describe, expect, it } from 'vitest'
import { DriverError } from '../../../../driver/core/errors.ts'
import { loggedError } from '../../../../driver/daemon/logged-error.ts'

describe('the error in a line of the log', () => {
  it('says what happened and what to do, without a stack', () => {
    const cause = new Error('The operation was aborted')
    const error = new DriverError('unavailable', 'no answer within 10 s', { hint: 'try again', cause })
    expect(loggedError(error)).toEqual({
      code: 'unavailable',
      message: 'no answer within 10 s',
      hint: 'try again',
    })
  })

  it('of a defect has its stack', () => {
    for (const error of [new TypeError('x is not a function'), new DriverError('internal', 'x')])
      expect(loggedError(error)).toHaveProperty('stack')
  })
})
