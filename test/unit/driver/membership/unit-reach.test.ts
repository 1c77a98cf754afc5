/** On folders of a temporary folder, which stands for the root of the unit's view. */
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseOpenOptions } from '../../../../driver/daemon/options.ts'
import { outOfReach, type UnitProperties } from '../../../../driver/membership/unit-reach.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

/** As `systemctl show` prints the unit of the package. */
const unit: UnitProperties = {
  ProtectSystem: 'strict',
  ProtectHome: 'yes',
  PrivateTmp: 'yes',
  ReadWritePaths: '/run /var/lib',
  StateDirectory: 'multihost',
  RuntimeDirectory: 'multihost',
}

const reach = (words: string[], more: UnitProperties = {}) =>
  outOfReach(parseOpenOptions(words), { ...unit, ...more })

test('the unit writes and sees the usual places', async () => {
  expect(await reach([])).toEqual([])
  expect(await reach(['--state-dir=/var/lib/mh', '--control-socket=/run/mh/a.sock'])).toEqual([])
  expect(await reach(['--kv-ca-file=/etc/multihost/ca.pem'])).toEqual([])
})

test.each([
  ['--state-dir=/srv/mh', '/srv/mh', 'write'],
  ['--netns-dir=/mh/netns', '/mh/netns', 'write'],
  ['--socket=/srv/vxlan.sock', '/srv', 'write'],
  ['--control-socket=/srv/control.sock', '/srv', 'write'],
  ['--state-dir=/runner', '/runner', 'write'],
  ['--state-dir=/home/mh', '/home/mh', 'sight'],
  ['--control-socket=/tmp/a.sock', '/tmp', 'sight'],
  ['--docker-socket=/run/user/1000/docker.sock', '/run/user/1000/docker.sock', 'sight'],
  ['--kv-token-file=/root/token', '/root/token', 'sight'],
])('%s is out of reach', async (option, place, lacks) => {
  expect(await reach([option])).toEqual([{ option, place, lacks }])
})

test.each<[string, UnitProperties]>([
  ['has the folder in ReadWritePaths', { ReadWritePaths: '/run /var/lib -/srv/mh' }],
  ['protects less', { ProtectSystem: 'full' }],
  ['is not installed', { ProtectSystem: 'no', ProtectHome: 'no', PrivateTmp: 'no', ReadWritePaths: '' }],
])('a unit that %s writes there', async (_, more) => {
  expect(await reach(['--state-dir=/srv/mh'], more)).toEqual([])
})

test('a link counts as the place that it leads to', async () => {
  const folder = temporaryFolder()
  const at = (name: string) => join(folder, name)
  for (const name of ['writable', 'elsewhere']) mkdirSync(at(name))
  symlinkSync(at('elsewhere'), at('writable/link'))
  symlinkSync(at('writable'), at('other'))
  const own = { PrivateTmp: 'no', ReadWritePaths: `/run /var/lib ${at('other')}` }
  const option = `--state-dir=${at('writable/link/mh')}`
  expect(await reach([option], own)).toEqual([{ option, place: at('elsewhere/mh'), lacks: 'write' }])
  expect(await reach([`--state-dir=${at('other/mh')}`], own)).toEqual([])
})
