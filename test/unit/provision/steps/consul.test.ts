import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { consulFits, consulPackage } from '../../../../provision/steps/consul.ts'
import { contextOn } from '../../../../provision/steps/step.ts'
import { fakeHost } from '../../../fixtures/fake-host.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const name = 'consul-server'
const theirs = '[Service]\nExecStart=/usr/bin/consul agent -config-dir=/etc/consul.d/\n'
const ours = '[Service]\nExecStart=/usr/bin/consul agent -config-file=/etc/consul.d/multihost.json\n'

/** Whose unit consul is this text; `states` are the questions that systemctl says yes to. */
function machine(unit: string | undefined, states: string) {
  const cat = unit === undefined ? 'exit 1' : `echo '${unit}'`
  return fakeHost(
    { systemctl: `case $* in 'cat consul') ${cat};; *is-${states}*) ;; *) exit 1;; esac` },
    { name },
  )
}

test.each([
  ['no Consul', undefined, 'active'],
  ['the lab’s own', ours, 'active'],
  ['a package’s unit that is off', theirs, 'nothing'],
])('a host with %s gets one', async (_, unit, states) => {
  expect(await consulFits.holds(contextOn(machine(unit, states).target))).toBe(true)
})

test.each([
  ['runs', 'active', undefined],
  ['starts with the host', 'enabled', undefined],
  ['has a unit that a person wrote', 'nothing', theirs],
])('a Consul of a person’s that %s stays', async (_, states, written) => {
  const host = machine(theirs, states)
  if (written) host.put('/etc/systemd/system/consul.service', written)
  await expect(consulFits.holds(contextOn(host.target))).rejects.toThrow(
    'consul-server has a Consul of its own (/usr/bin/consul agent -config-dir=/etc/consul.d/); nothing was changed',
  )
})

test('a program that does not answer as Consul on the host replaces nothing', async () => {
  const consul = join(temporaryFolder(), 'consul')
  writeFileSync(consul, '#!/bin/sh\necho "Consul v1.22.0"\n')
  const host = fakeHost({ systemctl: '' }, { name, programs: { consul } })
  host.put('/usr/bin/consul', 'old')
  await consulPackage.apply(contextOn(host.target))
  expect(host.text('/usr/bin/consul')).toContain('1.22.0')
  writeFileSync(consul, '#!/bin/sh\nexit 126\n')
  await expect(consulPackage.apply(contextOn(host.target))).rejects.toThrow(
    `--consul-from ${consul}: this program is not Consul on consul-server`,
  )
  expect(host.text('/usr/bin/consul')).toContain('1.22.0')
  expect(host.text('/usr/bin/consul.multihost')).toBeUndefined()
})
