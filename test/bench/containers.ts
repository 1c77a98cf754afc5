/**
 * How long Docker takes for a container: `run --rm … true`, alone on its network and with company, and `network
 * connect`; and what of it is the driver's own.
 *
 * The host's own clock says how long, so that the way to the host is not in it.
 */
import type { Host } from '../../scenarios/host.ts'
import { callsBetween, scrape } from './metrics.ts'
import { image, overlays, type Pair } from './overlays.ts'
import { type Recorder, rounds } from './samples.ts'

export async function measureContainers({ net1 }: Pair, count: number, record: Recorder): Promise<void> {
  const networks = [
    { peer: 'bare' as const, network: 'none' },
    { peer: 'bridge' as const, network: 'bridge' },
    ...overlays.map(({ peer, warm }) => ({ peer, network: warm })),
  ]
  await rounds(count, networks, async ({ peer, network }) => {
    const take = () => timedRun(net1, network)
    record.add(
      'run',
      peer,
      peer === 'multihost' ? await withCalls(net1, 'further', record, take) : await take(),
    )
  })
  await rounds(count, overlays, async ({ peer, cold }) => {
    const take = () => timedRun(net1, cold)
    record.add(
      'run-first',
      peer,
      peer === 'multihost' ? await withCalls(net1, 'first', record, take) : await take(),
    )
    await leftCold(net1, cold)
  })
}

export function timedRun(host: Host, network: string): Promise<number> {
  return timed(host, `/usr/bin/docker run --rm --network ${network} ${image} true`)
}

/** Milliseconds that a command line takes on the host. */
async function timed(host: Host, command: string): Promise<number> {
  const script = `t0=$EPOCHREALTIME; ${command} > /dev/null || exit; echo $t0 $EPOCHREALTIME`
  const [began = Number.NaN, ended = Number.NaN] = (await host.succeed`bash -c ${script}`)
    .split(' ')
    .map(Number)
  return (ended - began) * 1000
}

async function withCalls(
  host: Host,
  which: 'first' | 'further',
  record: Recorder,
  work: () => Promise<number>,
): Promise<number> {
  const before = await scrape(host)
  const result = await work()
  for (const [method, ms] of callsBetween(before, await scrape(host)))
    record.add(`call/${which}/${method}`, 'multihost', ms)
  return result
}

/** The next container is a first one again when the network's namespace is gone, both overlays name it after its id. */
async function leftCold(host: Host, network: string): Promise<void> {
  const id = await host.succeed`/usr/bin/docker network inspect -f ${'{{.Id}}'} ${network}`
  await host.waitUntilSucceeds`! ls /var/run/docker/netns | grep -q ${id.slice(0, 10)}`
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
    record.add('connect', peer, await timed(net1, `/usr/bin/docker network connect ${network} connected`))
    await net1.succeed`/usr/bin/docker network disconnect ${network} connected`
  })
  await net1.succeed`/usr/bin/docker rm -f connected`
  await net1.succeed`/usr/bin/docker network rm second-bridge`
}
