/**
 * A delay without netem: two tap devices, and a process between them that holds frames back.
 *
 *     near ─socat─ hold-back.ts ─socat─ far
 *
 * These processes are the only ones of the lab in the switch's namespace. Any runner finds and ends them by
 * that.
 */
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { until } from '../../../process/until.ts'
import type { Pair } from './delay.ts'
import { links } from './switch.ts'

const holdBack = fileURLToPath(new URL('hold-back.ts', import.meta.url))
const tsx = createRequire(import.meta.url).resolve('tsx')

export async function relay({ namespace, near, far, ms, index }: Pair): Promise<void> {
  const [nearPort, farPort] = [5000 + 4 * index, 5002 + 4 * index]
  start(namespace, tap(near, nearPort))
  start(namespace, tap(far, farPort))
  const ports = [nearPort, farPort].map(String)
  start(namespace, [process.execPath, '--import', tsx, holdBack, ...ports, String(ms)])
  const made = async () => {
    const taps = await links(namespace, 'tun')
    return [near, far].every((device) => taps.includes(device))
  }
  await until(made, `socat made no ${near} and ${far} in ${namespace}`, 20_000, 20)
}

/** A tap device whose frames go to `port + 1` of the loopback, and which sends what arrives at `port`. */
function tap(device: string, port: number): string[] {
  const options = `TUN,tun-type=tap,iff-no-pi,iff-up,tun-name=${device}`
  return ['socat', options, `UDP4-DATAGRAM:127.0.0.1:${port + 1},bind=127.0.0.1:${port}`]
}

/**
 * Detached: the host stays slow after this command has ended. With real-time priority where permitted: a
 * socket holds a few hundred frames, and frames that arrive while its process waits for a busy CPU are lost.
 */
function start(namespace: string, command: readonly string[]): void {
  const first = ['-c', 'chrt --fifo --pid 1 $$; exec "$@"', 'sh']
  const inside = ['ip', 'netns', 'exec', namespace, ...command]
  spawn('sh', [...first, ...inside], { detached: true, stdio: 'ignore' }).unref()
}
