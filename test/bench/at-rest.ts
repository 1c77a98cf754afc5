/**
 * What the driver takes of a processor while nothing happens, with dockerd's share beside it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Host } from '../../scenarios/kit/host.ts'
import type { Pair } from './overlays.ts'
import type { Peer, Recorder } from './samples.ts'

/** The column of a service. */
const services: Record<string, Peer> = { multihost: 'multihost', docker: 'bridge' }
/** Of /proc/PID/stat, proc(5): `sysconf(_SC_CLK_TCK)` on every Linux of today. */
const ticksPerSecond = 100

/** Records, for each host, percents of one core over the seconds. */
export async function measureRest(
  { net1, net2 }: Pair,
  figure: string,
  seconds: number,
  record: Recorder,
): Promise<void> {
  const all = [net1, net2].flatMap((host) => Object.keys(services).map((unit) => ({ host, unit })))
  const look = () => Promise.all(all.map(({ host, unit }) => processorSeconds(host, unit)))
  const [before, began] = [await look(), performance.now()]
  await delay(1000 * seconds)
  const [after, took] = [await look(), (performance.now() - began) / 1000]
  for (const [at, { unit }] of all.entries()) {
    const used = (after[at] ?? 0) - (before[at] ?? 0)
    record.add(figure, services[unit] ?? 'bare', (100 * used) / took)
  }
}

/** Of the service's processes, and of those that they started and that ended. */
async function processorSeconds(host: Host, unit: string): Promise<number> {
  const processes = `cat /sys/fs/cgroup/systemd$group/cgroup.procs /sys/fs/cgroup$group/cgroup.procs 2> /dev/null`
  const sum = `awk '{ sub(/.*\\) /, ""); split($0, at, " "); all += at[12] + at[13] + at[14] + at[15] } END { print all + 0 }'`
  const text = `group=$(systemctl show -p ControlGroup --value ${unit}); for pid in $(${processes}); do cat /proc/$pid/stat 2> /dev/null; done | ${sum}`
  return Number(await host.succeed`sh -c ${text}`) / ticksPerSecond
}
