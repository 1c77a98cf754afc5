/**
 * The whole run on a lab that is up, from the driver at rest to the driver after all of it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { joinSwarm } from '../../scenarios/subjects/swarm.ts'
import { measureRest } from './at-rest.ts'
import { measureConnect, measureContainers } from './containers.ts'
import { measureConvergence, measureCreation } from './convergence.ts'
import { residentBytes, scrape } from './metrics.ts'
import { type Pair, raiseOverlays } from './overlays.ts'
import { type Recorder, recorder, type Sample } from './samples.ts'
import { measureTraffic } from './traffic.ts'

export interface Size {
  containers: number
  convergence: number
  creations: number
  traffic: number
  /** Of one transfer. */
  seconds: number
  /** Of each look at a host where nothing happens. */
  rest: number
}

export const sizes = {
  full: { containers: 10, convergence: 100, creations: 10, traffic: 12, seconds: 1, rest: 60 },
  quick: { containers: 4, convergence: 30, creations: 4, traffic: 4, seconds: 1, rest: 20 },
} satisfies Record<string, Size>

export async function measure(pair: Pair, size: Size, say: (stage: string) => void): Promise<Sample[]> {
  const record = recorder()
  await recordMemory(pair, 'memory-idle', record)
  say(`at rest, ${size.rest} s`)
  await settle()
  await measureRest(pair, 'rest', size.rest, record)
  say('swarm and networks')
  await using _swarm = await joinSwarm([pair.net1, pair.net2])
  await using _overlays = await raiseOverlays(pair)
  await settle()
  say(`at rest with two networks and four containers, ${size.rest} s`)
  await measureRest(pair, 'rest-used', size.rest, record)
  say(`docker run, ${size.containers} rounds`)
  await measureContainers(pair, size.containers, record)
  say(`docker network connect, ${size.containers} rounds`)
  await measureConnect(pair, size.containers, record)
  say(`container started → first reply, ${size.convergence} rounds`)
  await measureConvergence(pair, size.convergence, record)
  say(`docker network create, ${size.creations} rounds`)
  await measureCreation(pair, size.creations, record)
  say(`traffic, ${size.traffic} rounds`)
  await measureTraffic(pair, size.traffic, size.seconds, record)
  await recordMemory(pair, 'memory-used', record)
  return record.samples
}

async function recordMemory({ net1, net2 }: Pair, figure: string, record: Recorder): Promise<void> {
  for (const host of [net1, net2]) record.add(figure, 'multihost', residentBytes(await scrape(host)) / 1e6)
}

/** What hosts do in their first seconds (udev, Swarm's elections) is not what is measured. */
function settle(): Promise<void> {
  return delay(3000)
}
