import { expect, test } from 'vitest'
import { provisioning } from '../../../../provision/steps/procedure.ts'
import { fakeHost } from '../../../fixtures/fake-host.ts'

function procedureOf(name: string, host = fakeHost({}, { name })) {
  return provisioning(
    host.target.host,
    () => host.target,
    () => undefined,
  )
}

test('what a person wrote is changed after everything that can fail before', () => {
  const titles = procedureOf('net-1').map(({ title }) => title)
  const at = (begin: string) => titles.findIndex((title) => title.startsWith(begin))
  const options = at('options of engine and driver')
  expect(at('programs of')).toBe(0)
  expect(at('docker command of 2015: /usr/local/bin/docker is free')).toBe(1)
  for (const earlier of ['docker engine: its packages', 'Node ']) expect(at(earlier)).toBeLessThan(options)
  expect(options).toBeLessThan(at('overlay driver'))
  expect(at('docker engine: version')).toBeLessThan(at('docker engine: its earlier files'))
})

test('a step that fails gives the engine its earlier options again', async () => {
  const host = fakeHost({
    systemctl: `case $* in 'cat docker') echo 'ExecStart=/usr/sbin/dockerd';; 'show -p MainPID --value docker') echo 7;; 'is-active -q docker' | '-q is-active docker') ;; *is-*) exit 1;; esac`,
    dockerd: '',
    ip: '',
  })
  host.put('/etc/default/docker', '# mine\n')
  const options = procedureOf('net-1', host).filter(({ title }) => /^options of|^overlay driver$/.test(title))
  const [write, start] = options
  await write?.run(() => undefined)
  expect(host.text('/etc/default/docker')).toMatch(/^# mine\n# multihost: begin/)
  host.program('systemctl', 'case $* in *show*docker) echo 7;; *is-* | restart*) exit 1;; esac')
  await expect(start?.run(() => undefined)).rejects.toThrow('net-1: overlay driver')
  expect(host.text('/etc/default/docker')).toBe('# mine\n')
  expect(host.calls()).not.toContain('systemctl stop docker')
})
