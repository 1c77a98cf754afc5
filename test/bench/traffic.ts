/**
 * What crosses from net-2 to net-1, and what it costs: bare between the hosts, from the engine's bridge to a
 * published port, and between the overlays' anchors.
 */
import type { Host } from '../../scenarios/kit/host.ts'
import { serveEcho, typicalReply } from './echo.ts'
import { addressOf, anchor, overlays, type Pair, pidOf, ports, published } from './overlays.ts'
import { type Peer, type Recorder, rounds } from './samples.ts'
import { measureTracking } from './tracking.ts'
import { pingOf, tcpOf, udpOf } from './traffic-output.ts'

interface Path {
  peer: Peer
  to: string
  ports: typeof ports
  /** Words before a command on net-2 that is to run at the path's beginning. */
  from: readonly string[]
  /** The same for a program that only the host has. */
  inside: readonly string[]
}

export async function measureTraffic(
  { net1, net2 }: Pair,
  count: number,
  seconds: number,
  record: Recorder,
): Promise<void> {
  const paths = await pathsOf({ net1, net2 })
  await net1.succeed`iperf3 -s -D --pidfile /run/iperf3-bench.pid`
  await using _echoes = await echoes(net1)
  await rounds(count, paths, (path) => measurePath(net2, path, seconds, record))
  const own = paths.find(({ peer }) => peer === 'multihost')
  if (own !== undefined) {
    const once = (recorder: Recorder) => measurePath(net2, own, seconds, recorder)
    await measureTracking({ net1, net2 }, Math.ceil(count / 2), once, record)
  }
  await net1.succeed`kill $(tr -d '\0' < /run/iperf3-bench.pid)`
}

async function pathsOf({ net1, net2 }: Pair): Promise<Path[]> {
  const begin = async (peer: Peer) => ({
    peer,
    from: ['/usr/bin/docker', 'exec', anchor(peer)],
    inside: await enter(net2, peer),
  })
  const paths: Path[] = [
    { peer: 'bare', to: net1.address, ports, from: [], inside: [] },
    { ...(await begin('bridge')), to: net1.address, ports: published },
  ]
  for (const { peer } of overlays)
    paths.push({ ...(await begin(peer)), to: await addressOf(net1, anchor(peer)), ports })
  return paths
}

/** On the host itself, and in every anchor. */
async function echoes(host: Host): Promise<AsyncDisposable> {
  const places = [[], ...(await Promise.all(containers.map((peer) => enter(host, peer))))]
  const servers = await Promise.all(places.map((inside) => serveEcho(host, inside, ports.echo)))
  return {
    async [Symbol.asyncDispose]() {
      for (const server of servers) await server[Symbol.asyncDispose]()
    },
  }
}

const containers: readonly Peer[] = ['bridge', ...overlays.map(({ peer }) => peer)]

async function enter(host: Host, peer: Peer): Promise<string[]> {
  return ['nsenter', '-n', '-t', await pidOf(host, anchor(peer))]
}

async function measurePath(host: Host, path: Path, seconds: number, record: Recorder): Promise<void> {
  const { peer, to, from, inside } = path
  // waited for: the server takes one client at a time, and may still be parting from the one before
  const iperf = ['iperf3', '-J', '-p', path.ports.iperf, '-c', to, '-t', seconds]
  for (const streams of [1, 4]) {
    const output =
      await host.waitUntilSucceeds`grep '^cpu ' /proc/stat; ${from} ${iperf} -P ${streams}; code=$?; grep '^cpu ' /proc/stat; exit $code`
    const { gigabitsPerSecond, cpuMsPerGigabit } = tcpOf(output)
    record.add(`tcp-${streams}`, peer, gigabitsPerSecond)
    record.add(`cpu-${streams}`, peer, cpuMsPerGigabit)
    // datagrams that fit into an overlay's frames, on all paths alike; as many as will go
    const udp = udpOf(await host.waitUntilSucceeds`${from} ${iperf} -u -b 0 -l 1400 -P ${streams}`)
    record.add(`udp-${streams}`, peer, udp.gigabitsPerSecond)
  }
  const calm = udpOf(await host.waitUntilSucceeds`${from} ${iperf} -u -b 300M -l 1400`)
  record.add('udp-loss', peer, calm.lostPercent)
  record.add('reply', peer, await typicalReply(host, inside, to, path.ports.echo))
  if (peer === 'bridge') return // its address is not reached from another host
  const ping = pingOf(await host.succeed`${from} ping -q -c 100 -i 0.01 ${to}`)
  record.add('ping', peer, ping.averageMs)
  record.add('ping-mdev', peer, ping.deviationMs)
}
