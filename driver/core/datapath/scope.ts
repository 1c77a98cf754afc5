/**
 * The entries of a network's tables that a change of some endpoints can affect, so that planning costs what
 * changed.
 *
 * An FDB entry stands at a MAC and a neighbour at an address, and two endpoints may have the same one. So a
 * scope contains what the changed endpoints had and have, and every endpoint that shares a MAC or address
 * with them: for these MACs and addresses a plan for the scope equals the whole plan.
 */
import type { Endpoint, EndpointId, Ip, Mac, Snapshot } from '../records.ts'
import { endpointsAt, placesOf } from '../snapshot.ts'

export interface Scope {
  places: ReadonlySet<Mac | Ip>
  /** The network's endpoints that have one of them now. */
  endpoints: readonly Endpoint[]
}

/** `keys`: the network's endpoints that differ between the two snapshots. */
export function scopeOf(before: Snapshot, after: Snapshot, keys: Iterable<string>): Scope {
  const places = new Set<Mac | Ip>()
  const endpoints = new Map<EndpointId, Endpoint>()
  const include = (endpoint: Endpoint | undefined): void => {
    if (endpoint === undefined) return
    for (const place of placesOf(endpoint)) {
      if (places.has(place)) continue
      places.add(place)
      for (const { value } of endpointsAt(after, endpoint.network, place)) {
        endpoints.set(value.id, value)
        include(value)
      }
    }
  }
  for (const key of keys) {
    include(before.endpoints.get(key)?.value)
    include(after.endpoints.get(key)?.value)
  }
  return { places, endpoints: [...endpoints.values()] }
}
