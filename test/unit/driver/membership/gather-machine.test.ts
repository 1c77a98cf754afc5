import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { EngineClient } from '../../../../driver/engine/client.ts'
import {
  dockerOptionsIn,
  engineFacts,
  flagsOf,
  hasProcessSocket,
} from '../../../../driver/membership/gather-machine.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

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
  expect(() => dockerOptionsIn('{"dns": "1.1.1.1"}', [], '/srv/d.json')).toThrow(
    /^\/srv\/d\.json has a wrong "dns": /,
  )
})

test.each(['\uFEFF{"dns": ["10.0.0.1"]}\r\n', '{"dns": ["10.0.0.1"], "data-root": null}'])(
  'dockerd reads a byte order mark and null, and so does doctor: %j',
  (json) => {
    expect(dockerOptionsIn(json, [])).toMatchObject({ dns: ['10.0.0.1'], dataRoot: undefined })
    expect(dockerOptionsIn('\uFEFF \n', [])).toMatchObject({ dns: [] })
  },
)

describe('flags of dockerd', () => {
  const start = (command: string): string => `{ path=/usr/bin/dockerd ; argv[]=${command} ; pid=0 }`
  const machine = (command: string) => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, '42'))
    writeFileSync(join(folder, '42/cmdline'), `${command.replaceAll(' ', '\0')}\0`)
    writeFileSync(join(folder, 'docker'), 'DOCKER_OPTS="--dns=8.8.8.8"\n')
    return { proc: folder, options: join(folder, 'docker') }
  }

  test('are those of the process, also where a drop-in of a person gives them', async () => {
    const places = machine('/usr/bin/dockerd -H fd:// --dns 10.0.0.1 --data-root=/srv/d')
    const flags = await flagsOf(
      { ExecStart: start('dockerd -H fd:// --dns 10.0.0.1'), MainPID: '42' },
      places,
    )
    expect(dockerOptionsIn('', flags)).toMatchObject({ dns: ['10.0.0.1'], dataRoot: '/srv/d' })
  })

  test.each([
    ['dockerd -H fd:// $DOCKER_OPTS', ['8.8.8.8']],
    ['dockerd -H fd:// --containerd=/run/containerd/containerd.sock', []],
  ])('of %s count DOCKER_OPTS where the unit reads it: %j', async (command, dns) => {
    const flags = await flagsOf({ ExecStart: start(command), MainPID: '0' }, machine('dockerd'))
    expect(dockerOptionsIn('', flags).dns).toEqual(dns)
  })
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

test.each([
  [
    { ServerVersion: '4.9.3', BuildahVersion: '1.33.7', DockerRootDir: '/var/lib/containers/storage' },
    'podman',
  ],
  [{ ServerVersion: '28.4.0', DockerRootDir: '/var/snap/docker/common/var-lib-docker' }, 'snap'],
  [{ ServerVersion: '28.4.0', OperatingSystem: 'Docker Desktop' }, 'desktop'],
  [{ ServerVersion: '28.4.0', OperatingSystem: 'Debian GNU/Linux 13', DockerRootDir: '/srv' }, undefined],
])('what answers %j is %s', async (info, standIn) => {
  const call: EngineClient['call'] = async (_method, _path, schema) => schema.parse(info)
  expect(await engineFacts({ call } as EngineClient)).toMatchObject({ standIn })
})
