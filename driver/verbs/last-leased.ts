/**
 * The address that was leased last on each network, by any host: the search for the next one starts after it.
 *
 * It is updated as leases arrive, so that asking costs nothing however many leases there are. It stays when
 * the lease ends, so that the address rests before it is leased again. The order is that of Consul's indexes:
 * the hosts' clocks need not agree.
 */
import { contains, type Family, familyOf, parseCidr } from '../core/ip.ts'
import type { Cidr, Ip, NetworkId, Snapshot, Table } from '../core/records.ts'
import { keyIn, networkOfKey, restOf } from '../core/snapshot.ts'
import type { Store } from '../store/store.ts'

export interface LastLeased {
  of(network: NetworkId, pool: Cidr): Ip | undefined
}

export function followLeases(store: Pick<Store, 'snapshot' | 'onChange'>): LastLeased {
  const last = new Map<string, Ip>()
  let known = store.snapshot()
  const record = (snapshot: Snapshot, key: string): void => {
    const network = networkOfKey(key)
    const ip = restOf(key)
    // A requested address outside `--ip-range` does not count.
    if (isHandedOut(snapshot, network, ip)) last.set(placeOf(network, familyOf(ip)), ip)
  }
  const recordAll = (snapshot: Snapshot, keys: string[]): void => {
    const indexOf = (key: string): number => snapshot.addresses.get(key)?.index ?? 0
    for (const key of keys.sort((a, b) => indexOf(a) - indexOf(b))) record(snapshot, key)
  }
  recordAll(known, [...known.addresses.keys()])
  store.onChange((snapshot, changed) => {
    const keysOf = (of: Table): string[] => changed.flatMap(({ table, key }) => (table === of ? [key] : []))
    recordAll(
      snapshot,
      keysOf('addresses').filter((key) => isNew(known, snapshot, key)),
    )
    for (const key of keysOf('networks')) if (!snapshot.networks.has(key)) forget(key)
    known = snapshot
  })
  const forget = (network: NetworkId): void => {
    for (const family of [4, 6] as const) last.delete(placeOf(network, family))
  }
  return { of: (network, pool) => last.get(placeOf(network, parseCidr(pool).family)) }
}

/** False when only the endpoint or service of the lease has changed. */
function isNew(before: Snapshot, now: Snapshot, key: string): boolean {
  const lease = now.addresses.get(key)
  return lease !== undefined && before.addresses.get(key)?.value.leasedAt !== lease.value.leasedAt
}

function isHandedOut({ networks }: Snapshot, network: NetworkId, ip: Ip): boolean {
  const { v4, v6 } = networks.get(network)?.value ?? {}
  const range = (familyOf(ip) === 4 ? v4 : v6)?.range
  return range === undefined || contains(range, ip)
}

function placeOf(network: NetworkId, family: Family): string {
  return keyIn(network, `v${family}`)
}
