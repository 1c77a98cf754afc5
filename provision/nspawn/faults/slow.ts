/**
 * Slow hosts: each one's port leaves the switch's bridge, and its frames go through a process that holds them back.
 *
 *     net-1 ── s-net-1 ── a-net-1 ─socat─ relay ─socat─ b-net-1 ── br-lab
 *
 * Everything the host sends is slow, not only the overlay's traffic. The processes are the only ones of the lab that
 * run in the switch's namespace: that is how they are found and ended, whoever began them.
 */
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { LabError } from '../../errors.ts'
import type { NetworkFault } from '../../faults.ts'
import { bridge, endProcesses } from '../network.ts'
import { run } from '../run.ts'
import { farEnd, nearEnd } from './rules.ts'

export type Slow = Extract<NetworkFault, { fault: 'slow' }>

const deadlineMs = 5000

/** Puts a relay before each of the hosts; all of the switch's hosts are to be at full speed before. */
export async function slowDown(namespace: string, slowed: readonly Slow[]): Promise<void> {
  for (const [i, { host, ms }] of slowed.entries()) {
    const [near, far] = [5000 + 4 * i, 5002 + 4 * i]
    start(namespace, tap(nearEnd(host), near))
    start(namespace, tap(farEnd(host), far))
    start(namespace, [process.execPath, '--import', tsx, relay, String(near), String(far), String(ms)])
    await ip(namespace, [`link add name s-${host} type bridge`, `link set dev s-${host} up`])
    await untilThere(namespace, [nearEnd(host), farEnd(host)])
    await ip(namespace, [
      `link set dev ${farEnd(host)} master ${bridge}`,
      `link set dev ${nearEnd(host)} master s-${host}`,
      `link set dev ${host} master s-${host}`,
    ])
  }
}

/** All of them back on the switch, and the processes gone; their devices go with them. */
export async function speedUp(namespace: string, hosts: readonly string[]): Promise<void> {
  await ip(
    namespace,
    hosts.map((host) => `link set dev ${host} master ${bridge}`),
  )
  await endProcesses(namespace)
  const bridges = (await links(namespace)).filter((name) => name.startsWith('s-'))
  await ip(
    namespace,
    bridges.map((name) => `link del dev ${name}`),
  )
}

const relay = fileURLToPath(new URL('relay.ts', import.meta.url))
const tsx = createRequire(import.meta.url).resolve('tsx')

/** A tap device whose frames go to `port + 1` of the loopback, and which sends what arrives at `port`. */
function tap(device: string, port: number): string[] {
  const options = `TUN,tun-type=tap,iff-no-pi,iff-up,tun-name=${device}`
  return ['socat', options, `UDP4-DATAGRAM:127.0.0.1:${port + 1},bind=127.0.0.1:${port}`]
}

/** Detached: what is slow stays so when the command that said so has ended. */
function start(namespace: string, command: readonly string[]): void {
  spawn('ip', ['netns', 'exec', namespace, ...command], { detached: true, stdio: 'ignore' }).unref()
}

async function untilThere(namespace: string, devices: readonly string[]): Promise<void> {
  const end = Date.now() + deadlineMs
  while (true) {
    const have = await links(namespace)
    if (devices.every((device) => have.includes(device))) return
    if (Date.now() > end) throw new LabError(`socat made no ${devices.join(' and ')} in ${namespace}`)
    await delay(20)
  }
}

async function links(namespace: string): Promise<string[]> {
  const text = await run('ip', ['-n', namespace, '-j', 'link'])
  return (JSON.parse(text) as { ifname: string }[]).map(({ ifname }) => ifname)
}

async function ip(namespace: string, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await run('ip', ['-n', namespace, '-batch', '-'], { input: lines.join('\n') })
}
