import { expect, test } from 'vitest'
import { examineMachine } from '../../../../../provision/backends/ssh/doctor.ts'
import { defaultLab, hostNamed } from '../../../../../provision/lab/definition.ts'

const net1 = hostNamed(defaultLab(), 'net-1')
const good = {
  login: '0\n5.2.37(1)-release\n',
  complaint: '',
  init: 'systemd\n',
  addresses: '127.0.0.1/8\n192.168.33.11/24\n',
}

function examined(machine: Partial<typeof good>, host = net1) {
  const { login, complaint, init, addresses } = { ...good, ...machine }
  const exec = async (command: string) => {
    if (command.startsWith('id')) return { code: 0, stdout: login, stderr: complaint }
    return { code: 0, stdout: command.startsWith('cat') ? init : addresses, stderr: '' }
  }
  return examineMachine(host, { exec })
}

test('a machine with root, bash, systemd and its address can become a host', async () => {
  expect(await examined({})).toEqual({ found: 'root, 192.168.33.11' })
})

test('a machine without `ip` can become a host, and one of a program by any address', async () => {
  expect(await examined({ addresses: '' })).toEqual({ found: 'root' })
  const bare = { ...net1, role: 'bare' as const }
  expect(await examined({ addresses: '10.0.0.7/24\n' }, bare)).toEqual({ found: 'root' })
})

test.each([
  [
    { login: '', complaint: 'sudo: a password is required\n' },
    'commands cannot be run as root there: sudo: a password is required',
  ],
  [{ login: '1000\n5.2.37(1)-release\n' }, 'commands cannot be run as root there: 1000 5.2.37(1)-release'],
  [
    { login: 'This account is\nnot available.\n' },
    'commands cannot be run as root there: This account is not available.',
  ],
  [
    { login: 'Welcome!\n0\n5.2.37(1)-release\n' },
    'its shell prints "Welcome!" before the output of each command',
  ],
  [{ login: '0\n\n' }, 'the shell of root there is not bash'],
  [{ init: 'sh\n' }, 'its PID 1 is sh'],
  [{ addresses: '192.168.33.111/24\n' }, 'it has no address 192.168.33.11: 192.168.33.111/24'],
])('what it lacks is a problem with a remedy: %j', async (lack, problem) => {
  expect(await examined(lack)).toEqual({ problem, remedy: expect.any(String) })
})
