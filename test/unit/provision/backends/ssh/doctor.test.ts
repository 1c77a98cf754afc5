import { expect, test } from 'vitest'
import { machineVerdict } from '../../../../../provision/backends/ssh/doctor.ts'
import { defaultLab, hostNamed } from '../../../../../provision/lab/definition.ts'

const net1 = hostNamed(defaultLab(), 'net-1')
const good = { uid: '0', init: 'systemd', addresses: ['127.0.0.1/8', '192.168.33.11/24'] }

test('a machine with root, systemd and its address can become a host', () => {
  expect(machineVerdict(net1, good)).toEqual({ found: 'root, 192.168.33.11' })
})

test.each([
  [{ uid: '1000' }, 'commands cannot be run as root there'],
  [{ uid: '' }, 'commands cannot be run as root there'],
  [{ init: 'sh' }, 'its PID 1 is sh'],
  [{ addresses: ['192.168.33.111/24'] }, 'it has no address 192.168.33.11: 192.168.33.111/24'],
])('what it lacks is a problem with a way out: %j', (lack, problem) => {
  expect(machineVerdict(net1, { ...good, ...lack })).toEqual({ problem, remedy: expect.any(String) })
})
