/**
 * Which entries of a network's tables a change of some endpoints can concern, so that planning costs what changed and
 * not what exists.
 *
 * An FDB entry stands at a MAC and a neighbour at an address, and two endpoints may claim the same one. So a scope is
 * what the endpoints had and have, and what all have that share something with them: whatever the whole plan would do
 * at these MACs and addresses, the plan for the scope does.
 */
import type { Endpoint, EndpointId, Ip, Mac, Snapshot } from '../records.ts'
import { endpointsAt, placesOf } from '../snapshot.ts'

export interface Scope {
  places: ReadonlySet<Mac | Ip>
  /** All of the network that claim one of them now. */
  endpoints: readonly Endpoint[]
}

/** `keys` are those of one network's endpoints that differ between the two snapshots. */
export function scopeOf(before: Snapshot, after: Snapshot, keys: Iterable<string>): Scope {
  const places = new Set<Mac | Ip>()
  const endpoints = new Map<EndpointId, Endpoint>()
  const take = (endpoint: Endpoint | undefined): void => {
    if (endpoint === undefined) return
    for (const place of placesOf(endpoint)) {
      if (places.has(place)) continue
      places.add(place)
      for (const { value } of endpointsAt(after, endpoint.network, place)) {
        endpoints.set(value.id, value)
        take(value)
      }
    }
  }
  for (const key of keys) {
    take(before.endpoints.get(key)?.value)
    take(after.endpoints.get(key)?.value)
  }
  return { places, endpoints: [...endpoints.values()] }
}
