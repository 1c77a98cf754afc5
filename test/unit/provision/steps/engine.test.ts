import { expect, test } from 'vitest'
import { dockerPreferences, engine, engineFits } from '../../../../provision/steps/engine.ts'
import { contextOn } from '../../../../provision/steps/step.ts'
import { fakeHost } from '../../../fixtures/fake-host.ts'

test("of Docker's repository only the wanted version is taken", () => {
  expect(dockerPreferences('29')).toMatchInlineSnapshot(`
    "Package: docker-ce docker-ce-cli
    Pin: version 5:29.*
    Pin-Priority: 990
    "
  `)
})

const source = '/etc/apt/sources.list.d/multihost-docker.list'
const key = '/usr/share/keyrings/multihost-docker.asc'
const release = 'ID=ubuntu\nVERSION_CODENAME=noble\nVERSION="24.04 LTS (Noble Numbat)"\n'

/** Of a machine whose apt says this of docker-ce. */
function machine(madison = '') {
  const answers = `case $1 in madison) echo '${madison}';; show) true;; esac`
  const host = fakeHost({ 'apt-get': '', 'apt-cache': answers, curl: 'echo a key' }, { engine: '29' })
  host.put('/etc/os-release', release)
  return host
}

test("Docker's repository is that of the host's distribution, in files of our own", async () => {
  const host = machine()
  await engine.apply(contextOn(host.target))
  expect(host.calls()).toContain('curl -fsS --max-time 10 https://download.docker.com/linux/ubuntu/gpg')
  expect(host.text(source)).toBe(
    `deb [signed-by=${key}] https://download.docker.com/linux/ubuntu noble stable\n`,
  )
  expect(host.text(key)).toBe('a key\n')
  expect(host.text('/etc/apt/preferences.d/multihost-docker')).toBe(dockerPreferences('29'))
})

test('where a source of the person’s has the version, there is no second one', async () => {
  const host = machine(
    ' docker-ce | 5:29.1.0-1~ubuntu.24.04~noble | https://download.docker.com/linux/ubuntu',
  )
  await engine.apply(contextOn(host.target))
  expect(host.text(source)).toBeUndefined()
  expect(host.text('/etc/apt/preferences.d/multihost-docker')).toBe(dockerPreferences('29'))
  expect(host.calls().join('\n')).not.toContain('curl')
  expect(host.calls().at(-1)).toMatch(/^apt-get install .* docker-ce docker-ce-cli containerd\.io$/)
})

test('an engine that apt does not have is an error with its version, and nothing of ours stays', async () => {
  const host = machine()
  host.program('apt-cache', 'exit 1')
  await expect(engine.apply(contextOn(host.target))).rejects.toThrow('net-1: apt has no package of engine 29')
  for (const path of [source, key]) expect(host.text(path)).toBeUndefined()
})

const noUnit = { systemctl: 'exit 1' }
test.each<[string, Record<string, string>, string[], RegExp]>([
  [
    'a snap',
    noUnit,
    ['/snap/bin/docker'],
    /^net-1 has Docker as a snap, which keeps its socket; nothing was changed$/,
  ],
  ['a snap that runs beside a package', { systemctl: '', dockerd: '' }, [], /as a snap/],
  [
    'Podman’s command',
    { ...noUnit, docker: 'echo podman version 4.9.3' },
    [],
    /^net-1 has Podman in the place/,
  ],
])('%s is refused before anything is changed', async (_, programs, files, why) => {
  const host = fakeHost(programs)
  for (const path of files) host.put(path, '')
  await expect(engineFits.holds(contextOn(host.target))).rejects.toThrow(why)
})

test.each<[string, Record<string, string>]>([
  ['no engine', noUnit],
  ['a client alone', { ...noUnit, docker: 'echo Docker version 28.4.0' }],
  [
    'an engine, and Podman’s command beside it',
    { ...noUnit, dockerd: '', docker: 'echo podman version 4.9.3' },
  ],
])('a host with %s is taken', async (_, programs) => {
  expect(await engineFits.holds(contextOn(fakeHost(programs).target))).toBe(true)
})
