/**
 * What Docker has asked of this host and the engine or the store does not show yet.
 *
 * The engine shows an endpoint or a network only some time after the call that makes it, and still shows an endpoint
 * after the call that removes it. The loops ask here before they trust the engine. Kept in memory only: after a restart
 * the loops' grace periods cover the calls of the driver's earlier life.
 */
import type { EndpointCall, UnderWay } from '../core/endpoints/life.ts'
import type { EndpointId } from '../core/records.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'
import { createDeferred, type Deferred } from './deferred.ts'
import { createHeldAddresses, type HeldAddresses } from './held-addresses.ts'
import { createTtlSet, type TtlSet } from './ttl-set.ts'

export interface InFlight extends UnderWay {
  /** Docker calls about an endpoint. Remembered for a minute, or until `answered`. */
  called(endpoint: EndpointId, call: EndpointCall): void
  /** Join is answered: Docker puts the endpoint into its container. */
  answered(endpoint: EndpointId): void
  /** Two answers of the engine lack the endpoint. From now on the endpoint is as after Docker's Leave. */
  lost(endpoint: EndpointId): void
  /** Networks by Docker's ids, for a minute from CreateNetwork on: a slow engine shows them seconds later. */
  newNetworks: TtlSet<string>
  /** Networks by Docker's ids, that Docker has removed and the store has not yet. */
  removedNetworks: Set<string>
  /** What Docker asked to remove while the store was away. */
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
  now(): Date
}

export function createInFlight({ store, log, now }: InFlightOptions): InFlight {
  const endpoints: Record<EndpointCall, TtlSet<EndpointId>> = {
    create: createTtlSet(rememberedMs, now),
    join: createTtlSet(rememberedMs, now),
    leave: createTtlSet(rememberedMs, now),
  }
  /** Join is answered; a slow machine needs seconds to move the link and to store where it is. */
  const joined = createTtlSet<EndpointId>(pluggedMs, now)
  const settle = (endpoint: EndpointId): void => {
    for (const set of [...Object.values(endpoints), joined]) set.remove(endpoint)
  }
  const called = (endpoint: EndpointId, call: EndpointCall): void => {
    settle(endpoint)
    endpoints[call].add(endpoint)
  }
  return {
    called,
    lost: (endpoint) => called(endpoint, 'leave'),
    answered(endpoint) {
      // Docker was told of an error meanwhile, and has deleted the endpoint.
      if (!endpoints.join.all().includes(endpoint)) return
      settle(endpoint)
      joined.add(endpoint)
    },
    arriving: () => [...endpoints.create.all(), ...endpoints.join.all(), ...joined.all()],
    calls: () =>
      new Map(
        (['create', 'join', 'leave'] as const).flatMap((call) =>
          endpoints[call].all().map((endpoint) => [endpoint, call] as const),
        ),
      ),
    newNetworks: createTtlSet(rememberedMs, now),
    removedNetworks: new Set(),
    deferred: createDeferred(store, log),
    addresses: createHeldAddresses(now),
  }
}
