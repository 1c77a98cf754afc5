/**
 * A delay without netem: two tap devices, and a process between them that holds frames back.
 *
 *     near ─socat─ hold-back.ts ─socat─ far
 *
 * The processes are the only ones of the lab that run in the switch's namespace: that is how they are found and ended,
 * whoever began them.
 */
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { LabError } from '../../../process/errors.ts'
import { patience } from '../../../process/timeout-scale.ts'
import type { Pair } from './slow.ts'
import { links } from './switch.ts'

const deadlineMs = 5000 * patience
const holdBack = fileURLToPath(new URL('hold-back.ts', import.meta.url))
const tsx = createRequire(import.meta.url).resolve('tsx')

export async function relay({ namespace, near, far, ms, index }: Pair): Promise<void> {
  const [nearPort, farPort] = [5000 + 4 * index, 5002 + 4 * index]
  start(namespace, tap(near, nearPort))
  start(namespace, tap(far, farPort))
  const ports = [nearPort, farPort].map(String)
  start(namespace, [process.execPath, '--import', tsx, holdBack, ...ports, String(ms)])
  await untilThere(namespace, [near, far])
}

/** A tap device whose frames go to `port + 1` of the loopback, and which sends what arrives at `port`. */
function tap(device: string, port: number): string[] {
  const options = `TUN,tun-type=tap,iff-no-pi,iff-up,tun-name=${device}`
  return ['socat', options, `UDP4-DATAGRAM:127.0.0.1:${port + 1},bind=127.0.0.1:${port}`]
}

/**
 * Detached: what is slow stays so when the command that said so has ended. With real-time priority, where that may be
 * had: a few hundred frames fit into a socket, and those that come while its process waits for a busy machine are lost.
 */
function start(namespace: string, command: readonly string[]): void {
  const first = ['-c', 'chrt --fifo --pid 1 $$; exec "$@"', 'sh']
  const inside = ['ip', 'netns', 'exec', namespace, ...command]
  spawn('sh', [...first, ...inside], { detached: true, stdio: 'ignore' }).unref()
}

async function untilThere(namespace: string, devices: readonly string[]): Promise<void> {
  const end = Date.now() + deadlineMs
  while (true) {
    const have = await links(namespace, 'tun')
    if (devices.every((device) => have.includes(device))) return
    if (Date.now() > end) throw new LabError(`socat made no ${devices.join(' and ')} in ${namespace}`)
    await pause(20)
  }
}
