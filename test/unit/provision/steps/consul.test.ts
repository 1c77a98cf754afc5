import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { consul, consulFits, consulPackage } from '../../../../provision/steps/consul.ts'
import { contextOn } from '../../../../provision/steps/step.ts'
import { fakeHost } from '../../../fixtures/fake-host.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const name = 'consul-server'
const theirs = '[Service]\nExecStart=/usr/bin/consul agent -config-dir=/etc/consul.d/\n'
const ours = '[Service]\nExecStart=/usr/bin/consul agent -config-file=/etc/consul.d/multihost.json\n'

/** Whose unit consul is this text. `states`: the questions that systemctl says yes to. `listens`: a line of ss. */
function machine(unit: string | undefined, states: string, listens = '') {
  const cat = unit === undefined ? 'exit 1' : `echo '${unit}'`
  return fakeHost(
    {
      systemctl: `case $* in 'cat consul') ${cat};; *is-${states}*) ;; *) exit 1;; esac`,
      ss: `echo '${listens}'`,
    },
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

test.each([
  ['in a container', undefined, 'nothing', 'LISTEN 0 4096 0.0.0.0:8500 0.0.0.0:*'],
  ['of another unit', undefined, 'nothing', 'LISTEN 0 4096 *:8301 *:*'],
  ['beside the lab’s own, which does not run', ours, 'nothing', 'LISTEN 0 4096 127.0.0.1:8300 0.0.0.0:*'],
])('a Consul %s is found by its ports, before anything is changed', async (_, unit, states, listens) => {
  const { target } = machine(unit, states, listens)
  await expect(consulFits.holds(contextOn(target))).rejects.toThrow(
    /^consul-server has another program on a port of Consul’s \(\S+:8\d+\); nothing was changed$/,
  )
})

test.each([
  ['the lab’s own runs', ours, 'active', 'LISTEN 0 4096 127.0.0.1:8500 0.0.0.0:*'],
  ['another address has the port', undefined, 'nothing', 'LISTEN 0 4096 10.1.2.3:8500 0.0.0.0:*'],
  ['nothing listens', undefined, 'nothing', ''],
])('the ports are free where %s', async (_, unit, states, listens) => {
  expect(await consulFits.holds(contextOn(machine(unit, states, listens).target))).toBe(true)
})

test('a Consul that does not start is not left to start again for ever', async () => {
  const systemctl = `case $* in *is-active*) exit 3;; *'restart consul'*) exit 1;; esac`
  const host = fakeHost({ systemctl, useradd: '', id: '', chown: '' }, { name })
  await expect(consul.apply(contextOn(host.target))).rejects.toThrow()
  expect(host.calls().at(-1)).toBe('systemctl -q disable --now consul')
})
