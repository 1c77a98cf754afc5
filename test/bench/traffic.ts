/**
 * What crosses from net-2 to net-1, and what it costs: bare between the hosts, and between the overlays' anchors.
 */
import type { Host } from '../../scenarios/runner/host.ts'
import { addressOf, anchor, overlays, type Pair } from './overlays.ts'
import { type Peer, type Recorder, rounds } from './samples.ts'
import { pingOf, tcpOf, udpOf } from './traffic-output.ts'

interface Path {
  peer: Peer
  to: string
  /** Words before a command on net-2 that is to run at the path's beginning. */
  from: readonly string[]
}

export async function measureTraffic(
  { net1, net2 }: Pair,
  count: number,
  seconds: number,
  record: Recorder,
): Promise<void> {
  const paths: Path[] = [{ peer: 'bare', to: net1.address, from: [] }]
  for (const { peer } of overlays) {
    paths.push({
      peer,
      to: await addressOf(net1, anchor(peer)),
      from: ['/usr/bin/docker', 'exec', anchor(peer)],
    })
  }
  await net1.succeed`iperf3 -s -D --pidfile /run/iperf3-bench.pid`
  await rounds(count, paths, (path) => measurePath(net2, path, seconds, record))
  await net1.succeed`kill $(tr -d '\0' < /run/iperf3-bench.pid)`
}

async function measurePath(
  host: Host,
  { peer, to, from }: Path,
  seconds: number,
  record: Recorder,
): Promise<void> {
  for (const streams of [1, 4]) {
    const output =
      await host.succeed`grep '^cpu ' /proc/stat; ${from} iperf3 -J -c ${to} -t ${seconds} -P ${streams}; code=$?; grep '^cpu ' /proc/stat; exit $code`
    const { gigabitsPerSecond, cpuMsPerGigabit } = tcpOf(output)
    record.add(`tcp-${streams}`, peer, gigabitsPerSecond)
    record.add(`cpu-${streams}`, peer, cpuMsPerGigabit)
  }
  // datagrams that fit into an overlay's frames, on all paths alike
  const udp = udpOf(await host.succeed`${from} iperf3 -J -u -b 300M -l 1400 -c ${to} -t ${seconds}`)
  record.add('udp-rate', peer, udp.gigabitsPerSecond)
  record.add('udp-loss', peer, udp.lostPercent)
  const ping = pingOf(await host.succeed`${from} ping -q -c 100 -i 0.01 ${to}`)
  record.add('ping', peer, ping.averageMs)
  record.add('ping-mdev', peer, ping.deviationMs)
}
