/**
 * How long Docker takes for a container, `run --rm … true` and `network connect`, and what of it is the
 * driver's own.
 *
 * The host's own clock says how long, so that the way to the host is not in it.
 */
import type { Host } from '../../scenarios/kit/host.ts'
import { callsBetween, scrape } from './metrics.ts'
import { image, overlays, type Pair } from './overlays.ts'
import { isOurs, type Peer, type Recorder, rounds } from './samples.ts'

export async function measureContainers({ net1 }: Pair, count: number, record: Recorder): Promise<void> {
  const networks = [
    { peer: 'bare' as const, network: 'none' },
    { peer: 'bridge' as const, network: 'bridge' },
    ...overlays.map(({ peer, warm }) => ({ peer, network: warm })),
  ]
  await rounds(count, networks, async ({ peer, network }) => {
    record.add('run', peer, await timedRun(net1, peer, network, 'further', record))
  })
}

/** `which` container of its network on that host it is decides under which name the driver's calls are recorded. */
export async function timedRun(
  host: Host,
  peer: Peer,
  network: string,
  which: 'first' | 'further',
  record: Recorder,
): Promise<number> {
  return withCalls(host, peer, which, `/usr/bin/docker run --rm --network ${network} ${image} true`, record)
}

/** Milliseconds of a command, and beside them those of the driver's calls in it. */
async function withCalls(
  host: Host,
  peer: Peer,
  which: 'first' | 'further' | 'connect',
  command: string,
  record: Recorder,
): Promise<number> {
  if (!isOurs(peer)) return timed(host, command)
  const before = await scrape(host)
  const ms = await timed(host, command)
  for (const [method, callMs] of callsBetween(before, await scrape(host)))
    record.add(`call/${which}/${method}`, peer, callMs)
  return ms
}

/** Milliseconds that a command line takes on the host. */
async function timed(host: Host, command: string): Promise<number> {
  const script = `t0=$EPOCHREALTIME; ${command} > /dev/null || exit; echo $t0 $EPOCHREALTIME`
  const [began = Number.NaN, ended = Number.NaN] = (await host.succeed`bash -c ${script}`)
    .split(' ')
    .map(Number)
  return (ended - began) * 1000
}

/** Into a container that runs on the engine's bridge. */
export async function measureConnect({ net1 }: Pair, count: number, record: Recorder): Promise<void> {
  await net1.succeed`/usr/bin/docker run -d --init --name connected ${image} sleep infinity`
  await net1.succeed`/usr/bin/docker network create second-bridge`
  const networks = [
    { peer: 'bridge' as const, network: 'second-bridge' },
    ...overlays.map(({ peer, warm }) => ({ peer, network: warm })),
  ]
  await rounds(count, networks, async ({ peer, network }) => {
    const command = `/usr/bin/docker network connect ${network} connected`
    record.add('connect', peer, await withCalls(net1, peer, 'connect', command, record))
    await net1.succeed`/usr/bin/docker network disconnect ${network} connected`
  })
  await net1.succeed`/usr/bin/docker rm -f connected`
  await net1.succeed`/usr/bin/docker network rm second-bridge`
}
