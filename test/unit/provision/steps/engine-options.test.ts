import { expect, test } from 'vitest'
import { engineFiles } from '../../../../provision/steps/earlier-engine.ts'
import { docker, engineOptions } from '../../../../provision/steps/engine-options.ts'
import { contextOn } from '../../../../provision/steps/step.ts'
import { fakeHost } from '../../../fixtures/fake-host.ts'

const packaged = `# /usr/lib/systemd/system/docker.service
[Service]
EnvironmentFile=-/etc/default/docker
ExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS
`
const foreign = `# /usr/lib/systemd/system/docker.service
[Service]
ExecStart=/usr/bin/dockerd -H fd:// \\
  --containerd=/run/containerd/containerd.sock
`
const overridden = `${packaged}
# /etc/systemd/system/docker.service.d/override.conf
[Service]
ExecStart=
ExecStart=/usr/sbin/dockerd --debug
`

/** Its docker.service is this, and its dockerd runs as process 7 with the arguments and the environment. */
function machine(unit: string) {
  const host = fakeHost({
    systemctl: `case $* in 'cat docker') cat $root/unit; echo '# ${engineFiles.command}'; cat $root${engineFiles.command} 2> /dev/null;; *show*ActiveState*) echo active;; *show*MainPID*) echo 7;; esac; exit 0`,
    docker: '',
    dockerd: '',
    ip: '',
  })
  host.put('/unit', unit)
  host.put(engineFiles.beforeStart, 'old')
  const runs = (command: string, environment: string) => {
    host.put('/proc/7/cmdline', `${command.replaceAll(' ', '\0')}\0`)
    host.put('/proc/7/environ', `A=b\0DOCKER_OPTS=${environment}\0`)
  }
  return { host, context: contextOn(host.target), runs }
}

test.each([
  ['reads the file', packaged, undefined],
  ['reads no file', foreign, '/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock'],
  ['has a command of a person’s without the options', overridden, '/usr/sbin/dockerd --debug'],
  [
    'has a command with the options, and reads no file',
    foreign.replace('fd://', () => 'fd:// $DOCKER_OPTS'),
    '/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock',
  ],
  ['has one with them', overridden.replace('--debug', '--debug $DOCKER_OPTS'), undefined],
])('a unit that %s gets the command that it needs', async (_, unit, command) => {
  const { host, context } = machine(unit)
  await docker.apply(context)
  const text = host.text(engineFiles.command)
  expect(text?.split('\n').at(-2)).toBe(command && `ExecStart=${command} $DOCKER_OPTS`)
  await docker.apply(context) // the step's own drop-in does not count
  expect(host.text(engineFiles.command)).toBe(text)
})

test.each([
  ['reads them', packaged, true],
  ['reads no file', foreign, false],
  ['has a command of a person’s without them', overridden, false],
])('of a unit that %s, a person’s DOCKER_OPTS count as before', async (_, unit, isRead) => {
  const { host, context } = machine(unit)
  host.put('/etc/default/docker', 'DOCKER_OPTS="-H tcp://0.0.0.0:2375"\n')
  await engineOptions.apply(context)
  const text = host.text('/etc/default/docker') ?? ''
  expect(text.startsWith('DOCKER_OPTS="-H tcp://0.0.0.0:2375"\n')).toBe(true)
  expect(/^DOCKER_OPTS="--dns.* -H tcp:/m.test(text)).toBe(isRead)
})

const takes = '[Service]\nExecStart=\nExecStart=/usr/bin/dockerd $DOCKER_OPTS\n'
test.each([
  [
    'Environment= of a drop-in',
    `${packaged}${takes}Environment="A=b" "DOCKER_OPTS=--data-root=/srv/docker"\n`,
    /from Environment= of docker/,
  ],
  [
    'another file',
    `${foreign}${takes}EnvironmentFile=-/etc/sysconfig/docker\n`,
    /from \S*\/etc\/sysconfig\/docker, and/,
  ],
])('DOCKER_OPTS of %s are not replaced', async (_, unit, why) => {
  const { host, context } = machine(unit)
  host.put('/etc/sysconfig/docker', 'DOCKER_OPTS="--data-root=/srv/docker"\n')
  await expect(engineOptions.holds(context)).rejects.toThrow(why)
  expect(host.text('/etc/default/docker')).toBeUndefined()
})

test('what the flags of a person’s command do not go with is found before anything is changed', async () => {
  const { host, context } = machine(packaged.replace('fd://', () => '--config-file=/srv/docker.json fd://'))
  const both = 'echo "unable to configure the Docker daemon with file /srv/docker.json" >&2; exit 1'
  host.program('dockerd', `case $* in --help) echo --validate;; *docker.json*--validate*) ${both};; esac`)
  await expect(engineOptions.apply(context)).rejects.toThrow(
    /would not start .*: unable to configure .*; nothing was changed/,
  )
  expect(host.text('/etc/default/docker')).toBeUndefined()
})

test('an Environment= without the options, and a file that no dockerd takes them from, hinder nothing', async () => {
  const others = `${foreign}Environment="MY_DOCKER_OPTS=a"\nEnvironmentFile=-/etc/sysconfig/docker\n`
  const { host, context } = machine(others)
  host.put('/etc/sysconfig/docker', 'DOCKER_OPTS="--debug"\n')
  await engineOptions.apply(context)
  expect(host.text('/etc/default/docker')).toMatch(/^# multihost: begin/)
})

test('a person’s options file keeps its mode, and its place behind a link', async () => {
  const { host, context } = machine(packaged)
  host.put('/srv/managed', '# mine\n')
  host.put('/etc/default/other', '')
  await context.$`chmod 640 /srv/managed; ln -s /srv/managed /etc/default/docker`
  await engineOptions.apply(context)
  expect(host.text('/srv/managed')).toMatch(/^# mine\n# multihost: begin/)
  const { stdout } = await context.$`readlink /etc/default/docker; stat -c %a /srv/managed`
  expect(stdout).toMatch(/\/srv\/managed\n640\n$/)
  expect(await engineOptions.holds(context)).toBe(true)
})

test('a drop-in of ours goes when the person’s own command has the options', async () => {
  const { host, context } = machine(packaged)
  host.put(engineFiles.command, '[Service]\nExecStart=\nExecStart=/usr/bin/old $DOCKER_OPTS\n')
  await docker.apply(context)
  expect(host.text(engineFiles.command)).toBeUndefined()
})

test('a dockerd that has the options in its environment and not in its command does not have them', async () => {
  const { host, context, runs } = machine(packaged)
  host.put('/etc/default/docker', 'DOCKER_OPTS="--debug --log-opt=tag=\'a b\'"\n')
  await engineOptions.apply(context)
  await docker.apply(context)
  const options = /^DOCKER_OPTS="(--dns.*)"$/m.exec(host.text('/etc/default/docker') ?? '')?.[1] ?? ''
  runs(`/usr/sbin/dockerd -H fd:// ${options.replaceAll("'", '').replace('a b', 'a\tb')}`, options)
  expect(await docker.holds(context)).toBe(true)
  runs('/usr/sbin/dockerd -H fd://', options)
  expect(await docker.holds(context)).toBe(false)
  runs(`/usr/sbin/dockerd -H fd:// ${options}`, `${options} --more`)
  expect(await docker.holds(context)).toBe(false)
})
