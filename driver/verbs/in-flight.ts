/**
 * What Docker has asked of this host and the engine or the store does not show yet.
 *
 * The engine shows an endpoint or a network only some time after the call that makes it, and still shows an endpoint
 * after the call that removes it. The loops ask here before they trust the engine. Kept in memory only: after a restart
 * the loops' grace periods cover the calls of the driver's earlier life.
 */
import type { EndpointCall } from '../core/endpoints/life.ts'
import type { EndpointId } from '../core/records.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'
import { createDeferred, type Deferred } from './deferred.ts'
import { createHeldAddresses, type HeldAddresses } from './held-addresses.ts'
import { createTtlSet, type TtlSet } from './ttl-set.ts'

export interface InFlight {
  /** Docker calls about an endpoint. Remembered for a minute, or until `answered`. */
  called(endpoint: EndpointId, call: EndpointCall): void
  /** Join is answered: the endpoint is in its container. */
  answered(endpoint: EndpointId): void
  /** Each endpoint's last call. */
  calls(): ReadonlyMap<EndpointId, EndpointCall>
  /** Networks by Docker's ids, for a minute from CreateNetwork on: a slow engine shows them seconds later. */
  newNetworks: TtlSet<string>
  /** What Docker asked to remove while the store was away. */
  deferred: Deferred
  addresses: HeldAddresses
}

/** Longer than the engine takes to show what a call has made. */
const rememberedMs = 60_000

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
  const answered = (endpoint: EndpointId): void => {
    for (const set of Object.values(endpoints)) set.remove(endpoint)
  }
  return {
    called(endpoint, call) {
      answered(endpoint)
      endpoints[call].add(endpoint)
    },
    answered,
    calls: () =>
      new Map(
        (['create', 'join', 'leave'] as const).flatMap((call) =>
          endpoints[call].all().map((endpoint) => [endpoint, call] as const),
        ),
      ),
    newNetworks: createTtlSet(rememberedMs, now),
    deferred: createDeferred(store, log),
    addresses: createHeldAddresses(now),
  }
}
