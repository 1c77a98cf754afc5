import { execa } from 'execa'
import { expect, test } from 'vitest'
import { present } from '../../../../provision/steps/base.ts'

const holds = async (commands: string[]) =>
  !(await execa('bash', ['-c', present(commands)], { reject: false })).failed

test('commands are present when each of them is', async () => {
  expect(await holds(['ls', 'cat'])).toBe(true)
  expect(await holds(['ls', 'no-such-command'])).toBe(false)
  expect(await holds(['no-such-command', 'ls'])).toBe(false)
})
