/**
 * What Docker has asked of this host and the engine or the store does not show yet.
 *
 * The engine shows an endpoint or a network only some time after the call that makes it, and still shows an
 * endpoint after the call that removes it. The loops ask here before they trust the engine. Kept in memory
 * only: after a restart the loops' grace periods cover the calls of the driver's earlier life.
 */
import type { EndpointCall, UnderWay } from '../core/endpoints/life.ts'
import { dockerSays, type Proof } from '../core/knowledge.ts'
import type { EndpointId } from '../core/records.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'
import { createDeferred, type Deferred } from './deferred-removals.ts'
import { createHeldAddresses, type HeldAddresses } from './held-addresses.ts'
import { createTtlMap, createTtlSet, type TtlSet } from './ttl-set.ts'

export interface InFlight extends UnderWay {
  /** Docker calls about an endpoint. Remembered for a minute, or until `answered`. */
  called(endpoint: EndpointId, call: EndpointCall): void
  /** Join is answered: Docker puts the endpoint into its container. */
  answered(endpoint: EndpointId): void
  /** Docker was told that CreateEndpoint failed. From now on the endpoint is as after Docker's Leave. */
  refused(endpoint: EndpointId): void
  /** Two answers of the engine lack the endpoint. From now on the endpoint is as after Docker's Leave. */
  lost(endpoint: EndpointId): void
  /** Networks by Docker's ids, for a minute from CreateNetwork on: a slow engine shows them seconds later. */
  newNetworks: TtlSet<string>
  /** Pool releases and network removals that wait for the store. */
  deferred: Deferred
  addresses: HeldAddresses
}

/** Longer than the engine takes to show what a call has made. */
const rememberedMs = 60_000
/** Longer than Docker takes from the answer to Join to a container with the link. */
const pluggedMs = 20_000

export interface InFlightOptions {
  store: Pick<Store, 'status'>
  log: Log
  /** For `addresses`. */
  now(): Date
}

/** An endpoint that has left, or is taken to have left, has a proof of it. */
type Last = { call: 'create' | 'join' } | { call: 'leave'; proof: Proof }

export function createInFlight({ store, log, now }: InFlightOptions): InFlight {
  const last = createTtlMap<EndpointId, Last>(rememberedMs)
  /** Join is answered; a slow machine needs seconds to move the link and to store where it is. */
  const joined = createTtlSet<EndpointId>(pluggedMs)
  const happened = (endpoint: EndpointId, it: Last): void => {
    joined.remove(endpoint)
    last.set(endpoint, it)
  }
  const ended = (endpoint: EndpointId, why: string): void =>
    happened(endpoint, { call: 'leave', proof: dockerSays(why) })
  return {
    called(endpoint, call) {
      if (call === 'leave') ended(endpoint, 'Docker has called Leave or DeleteEndpoint')
      else happened(endpoint, { call })
    },
    refused: (endpoint) => ended(endpoint, 'Docker was told that CreateEndpoint failed'),
    lost: (endpoint) => ended(endpoint, 'two answers of Docker lack the endpoint'),
    answered(endpoint) {
      // Docker was told of an error meanwhile, and has deleted the endpoint.
      if (last.get(endpoint)?.call !== 'join') return
      last.delete(endpoint)
      joined.add(endpoint)
    },
    arriving: () => [
      ...last.entries().flatMap(([endpoint, { call }]) => (call === 'leave' ? [] : [endpoint])),
      ...joined.all(),
    ],
    calls: () => new Map(last.entries().map(([endpoint, { call }]) => [endpoint, call])),
    ended: () =>
      new Map(
        last.entries().flatMap(([endpoint, it]) => (it.call === 'leave' ? [[endpoint, it.proof]] : [])),
      ),
    newNetworks: createTtlSet(rememberedMs),
    deferred: createDeferred(store, log),
    addresses: createHeldAddresses(now),
  }
}
