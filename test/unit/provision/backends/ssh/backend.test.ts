import { expect, test } from 'vitest'
import { loginProblem } from '../../../../../provision/backends/ssh/backend.ts'

const problem = (stdout: string, stderr = '') => loginProblem('net-1', { stdout, stderr })?.message

test('a login as root with bash is fine', () => {
  expect(problem('0\n5.2.37(1)-release\n')).toBeUndefined()
})

test.each([
  [
    '',
    'sudo: a password is required\n',
    'net-1: commands cannot be run as root there: sudo: a password is required',
  ],
  ['1000\n5.2.37(1)-release\n', '', 'net-1: commands cannot be run as root there: 1000 5.2.37(1)-release'],
  [
    'This account is\nnot available.\n',
    '',
    'net-1: commands cannot be run as root there: This account is not available.',
  ],
  [
    'Welcome!\n0\n5.2.37(1)-release\n',
    '',
    'net-1: its shell prints "Welcome!" before the output of each command',
  ],
  ['0\n\n', '', 'net-1: the shell of root there is not bash'],
])('what hinders the steps is said: %j', (stdout, stderr, message) => {
  expect(problem(stdout, stderr)).toBe(message)
})
