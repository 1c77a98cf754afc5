import { execa } from 'execa'
import { expect, test } from 'vitest'
import { names, present } from '../../../../provision/steps/base.ts'
import { contextOn } from '../../../../provision/steps/step.ts'
import { fakeHost } from '../../../fixtures/fake-host.ts'

const holds = async (commands: string[]) =>
  !(await execa('bash', ['-c', present(commands)], { reject: false })).failed

test('commands are present when each of them is', async () => {
  expect(await holds(['ls', 'cat'])).toBe(true)
  expect(await holds(['ls', 'no-such-command'])).toBe(false)
  expect(await holds(['no-such-command', 'ls'])).toBe(false)
})

test('a person’s last line of /etc/hosts stays, also without a line feed', async () => {
  const host = fakeHost({ hostnamectl: '', uname: 'echo net-1' })
  host.put('/etc/hosts', '127.0.0.1 localhost\n10.0.0.1 theirs')
  const context = contextOn(host.target)
  await names.apply(context)
  expect(host.text('/etc/hosts')).toMatch(
    /^127\.0\.0\.1 localhost\n10\.0\.0\.1 theirs\n192\.168\.33\.10\tconsul-server\n/,
  )
  expect(await names.holds(context)).toBe(true)
})
