/** The daemon as a process, in a network namespace of its own from which no Consul can be reached. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Status } from '../../../../driver/control/status.ts'
import { callPlugin } from '../../../fixtures/dockerd.ts'
import { isRoot, type Namespaces, namespaces, warnWhenNotRoot } from '../../../fixtures/namespaces.ts'
import { until } from '../../../fixtures/until.ts'

warnWhenNotRoot()
/** The driver is compiled first: that took 17 s on two slow cores. */
const startsWithinMs = 40_000
const main = new URL('../../../../driver/main.ts', import.meta.url).pathname

function multihost(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', main, ...args], {
    encoding: 'utf8',
  })
  return { code: status, stdout, stderr }
}

test.each([
  [['--version'], 0, /^multihost 0\.0\.0-checkout \(unknown\)$/m],
  [['--help'], 0, /multihost status/],
  [['daemon', '--help'], 0, /--kv-store=consul/],
  [['daemon'], 2, /^multihost: --kv-store is missing; name the store/],
  [['status', '--control-socket=/nowhere.sock'], 1, /^multihost: no driver answers on \/nowhere.sock/],
  [['flie'], 2, /^multihost: there is no command 'flie'/],
])('%o ends with %i', (args, code, words) => {
  const outcome = multihost(...args)
  expect(outcome.code).toBe(code)
  expect(outcome.stdout + outcome.stderr).toMatch(words)
})

describe('a command whose output', () => {
  const inShell = (line: string) => {
    const words = ['-c', line, process.execPath, '--import', 'tsx', main]
    const { stdout, stderr } = spawnSync('sh', words, { encoding: 'utf8' })
    return { stdout, stderr }
  }

  test('has no reader any more goes on to its end, and ends as it would', () => {
    const outcome = inShell('exec 3>&1; { "$0" "$@" --help; echo "code $?" >&3; } | true')
    expect(outcome).toEqual({ stdout: 'code 0\n', stderr: '' })
    const failing = inShell('exec 3>&1; { "$0" "$@" flie 2>&1; echo "code $?" >&3; } | true')
    expect(failing).toEqual({ stdout: 'code 2\n', stderr: '' })
  })

  test('finds a full disk says so in one line, and fails', () => {
    const { stdout, stderr } = inShell('"$0" "$@" --help >/dev/full; echo "code $?"')
    expect(stdout).toBe('code 1\n')
    expect(stderr).toMatch(/^multihost: the output cannot be written: .*ENOSPC.*\n$/)
  })
})

describe.skipIf(!isRoot)('a member whose options are gone', () => {
  const words =
    /this host is net-1, and its options are gone; put MULTIHOST_OPTS back .*consul:\/\/a:8500\/m"/
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'multihost-gone-'))
    writeFileSync(join(folder, 'host.json'), '{"id":"a","name":"net-1"}')
    writeFileSync(join(folder, 'snapshot.json'), '{"format":3,"store":"consul://a:8500/m"}\n')
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('is told so by doctor', () => {
    const { code, stdout } = multihost('doctor', `--state-dir=${folder}`)
    expect(code).toBe(1)
    expect(stdout).toMatch(new RegExp(`^missing +store +${words.source}`, 'm'))
  })

  test('has a daemon that waits, which tells status and Docker, and ends in order', async () => {
    const [socket, control] = [join(folder, 'vxlan.sock'), join(folder, 'control.sock')]
    const options = [`--state-dir=${folder}`, `--socket=${socket}`, `--control-socket=${control}`]
    const args = ['--import', 'tsx', main, 'daemon', ...options, `--docker-socket=${folder}/docker.sock`]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const exit = once(child, 'exit')
    let said = ''
    child.stdout.on('data', (chunk) => {
      said += chunk
    })
    try {
      await until('its socket is open', () => existsSync(control), startsWithinMs)
      const { stdout } = multihost('status', `--control-socket=${control}`)
      expect(stdout).toMatch(/WAITING/)
      expect(stdout).toMatch(words)
      await expect(callPlugin(socket, 'IpamDriver.RequestPool', {})).rejects.toThrow(words)
      await until('the reason is logged', () => said.includes('this host is net-1, and its options are gone'))
      child.kill('SIGTERM')
      expect(await exit).toEqual([0, null])
    } finally {
      child.kill('SIGKILL')
    }
  })
})

describe.skipIf(!isRoot)('a daemon that starts while Consul is away', () => {
  let lab: Namespaces
  let folder: string
  let child: ChildProcess | undefined
  let told: () => string
  const socket = () => join(folder, 'vxlan.sock')
  const control = () => join(folder, 'control.sock')

  beforeAll(async () => {
    lab = namespaces()
    folder = mkdtempSync(join(tmpdir(), 'multihost-daemon-'))
    const host = lab.add('host')
    lab.ip(
      host,
      'link add name eth1 type veth peer name wire\nlink set wire up\naddress add 192.168.33.11/24 dev eth1\nlink set eth1 up',
    )
    // In systemd's place: writes down what it is told.
    const notify = join(folder, 'systemd-notify')
    writeFileSync(notify, `#!/bin/sh\necho "$@" >> ${folder}/told\n`)
    chmodSync(notify, 0o755)
    told = () => readFileSync(join(folder, 'told'), { encoding: 'utf8', flag: 'a+' })
    child = spawn('nsenter', [`--net=${host}`, process.execPath, '--import', 'tsx', main, ...options()], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, PATH: `${folder}:${process.env.PATH}`, NOTIFY_SOCKET: join(folder, 'notify') },
    })
    await until('it is ready', () => told().includes('--ready'), startsWithinMs)
  })
  afterAll(async () => {
    if (child?.exitCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    lab[Symbol.dispose]()
    rmSync(folder, { recursive: true })
  })
  const options = () => [
    'daemon',
    // No host has that address.
    '--kv-store=consul://192.168.33.10:8500',
    ...['--bind-interface=eth1', '--host-name=net-1', `--docker-socket=${folder}/docker.sock`],
    ...[
      `--socket=${socket()}`,
      `--control-socket=${control()}`,
      `--state-dir=${folder}`,
      `--netns-dir=${folder}/netns`,
    ],
  ]

  test('answers Docker at once, on sockets that are root’s', async () => {
    expect(await callPlugin(socket(), 'Plugin.Activate', {})).toEqual({
      Implements: ['NetworkDriver', 'IpamDriver'],
    })
    expect(statSync(socket()).mode & 0o777).toBe(0o600)
    expect(statSync(control()).mode & 0o777).toBe(0o660)
  })

  test('refuses a new network within five seconds, with a reason', async () => {
    const start = performance.now()
    await expect(callPlugin(socket(), 'IpamDriver.RequestPool', {})).rejects.toThrow(/Consul|store/)
    expect(performance.now() - start).toBeLessThan(5000)
  })

  test('tells what is wrong, to people and to Prometheus', async () => {
    const { stdout } = multihost('status', `--control-socket=${control()}`)
    expect(stdout).toMatch(/^store +consul:\/\/192.168.33.10:8500\/multihost, AWAY, no answer yet$/m)
    expect(stdout).toMatch(/^VTEP +192.168.33.11 on eth1, MTU 1500$/m)
    const status = JSON.parse(multihost('status', '--json', `--control-socket=${control()}`).stdout) as Status
    expect(status).toMatchObject({ host: 'net-1', store: { fresh: false }, networks: [] })
    const metrics = spawnSync('curl', ['-s', '--unix-socket', control(), 'http://x/metrics'], {
      encoding: 'utf8',
    })
    expect(metrics.stdout).toContain('multihost_store_fresh 0')
    expect(metrics.stdout).toContain(
      'multihost_call_duration_seconds_count{method="Plugin.Activate",outcome="ok"} 1',
    )
  })

  test('does not let a second one onto its sockets', () => {
    const second = spawnSync(
      'nsenter',
      [`--net=${lab.folder}/host`, process.execPath, '--import', 'tsx', main, ...options()],
      {
        encoding: 'utf8',
      },
    )
    expect(second.status).toBe(1)
    expect(second.stderr).toContain('another driver is running: it answers on')
  })

  test('ends in order when it is told to', async () => {
    if (child === undefined) throw new Error('it was not started')
    child.kill('SIGTERM')
    const [code] = await once(child, 'exit')
    expect(code).toBe(0)
    expect(told()).toContain('STOPPING=1')
  })
})

describe.skipIf(!isRoot)('a daemon whose interface is not there', () => {
  test('is ready, says so, and stays', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'multihost-daemon-'))
    const control = join(folder, 'control.sock')
    const socket = join(folder, 'vxlan.sock')
    const args = [
      'daemon',
      '--kv-store=consul://127.0.0.1:1',
      '--bind-interface=eth77',
      `--docker-socket=${folder}/docker.sock`,
      `--socket=${socket}`,
      `--control-socket=${control}`,
      `--state-dir=${folder}`,
      `--netns-dir=${folder}/netns`,
    ]
    const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], { stdio: 'ignore' })
    try {
      await until(
        'the sockets are open',
        () => multihost('status', `--control-socket=${control}`).code === 0,
        startsWithinMs,
      )
      const { stdout } = multihost('status', `--control-socket=${control}`)
      expect(stdout).toMatch(/^state +WAITING: this host takes no part in the cluster$/m)
      expect(stdout).toContain('no interface is named eth77')
      await expect(callPlugin(socket, 'IpamDriver.RequestPool', {})).rejects.toThrow(/eth77/)
      expect(child.exitCode).toBeNull()
    } finally {
      child.kill('SIGTERM')
      await once(child, 'exit')
      rmSync(folder, { recursive: true })
    }
    expect(child.exitCode).toBe(0)
  }, 60_000)
})
