import { expect, test } from 'vitest'
import type { EngineClient } from '../../../../driver/engine/client.ts'
import {
  dockerOptionsIn,
  engineFacts,
  hasProcessSocket,
} from '../../../../driver/membership/gather-machine.ts'

test('Docker’s options are those of daemon.json and of the flags together', () => {
  expect(dockerOptionsIn('', [])).toMatchObject({ dns: [], dataRoot: undefined })
  expect(dockerOptionsIn('', []).addressPools).toContain('172.17.0.0/16')
  const json =
    '{"dns": ["10.0.0.1"], "data-root": "/srv", "default-address-pools": [{"base": "10.1.0.0/16", "size": 24}]}'
  expect(dockerOptionsIn(json, ['--debug'])).toEqual({
    dns: ['10.0.0.1'],
    dataRoot: '/srv',
    addressPools: ['10.1.0.0/16'],
  })
  const flags = ['--dns', '10.0.0.2', '--data-root=/var/d', '--default-address-pool=base=10.2.0.0/16,size=24']
  expect(dockerOptionsIn('{}', flags)).toEqual({
    dns: ['10.0.0.2'],
    dataRoot: '/var/d',
    addressPools: ['10.2.0.0/16'],
  })
})

test('a daemon.json that dockerd cannot read is an error that names the file', () => {
  expect(() => dockerOptionsIn('{', [])).toThrow(/\/etc\/docker\/daemon.json is not JSON/)
})

test('a socket of a process is told from the kernel’s own', () => {
  const head =
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'
  const line = (port: string, inode: number): string =>
    `  7: 00000000:${port} 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 ${inode} 2 0 0\n`
  expect(hasProcessSocket(head + line('12B5', 0))).toBe(false)
  expect(hasProcessSocket(head + line('0035', 77))).toBe(false)
  expect(hasProcessSocket(head + line('12B5', 77))).toBe(true)
})

test.each([
  [
    ['name=seccomp,profile=builtin', 'name=rootless', 'name=cgroupns'],
    { isRootless: true, hasUserns: false },
  ],
  [['name=userns'], { isRootless: false, hasUserns: true }],
  [null, { isRootless: false, hasUserns: false }],
])('an engine with the security options %j', async (SecurityOptions, found) => {
  const call: EngineClient['call'] = async (_method, _path, schema) =>
    schema.parse({ ServerVersion: '26.1.5', SecurityOptions })
  expect(await engineFacts({ call } as EngineClient)).toMatchObject(found)
})
