/**
 * The address that was leased last on each network, by whichever host: the next one is looked for behind it.
 *
 * Kept up as leases come, so that to ask costs nothing, however many there are; and kept when a lease goes, so that
 * its address rests. After a start it is what the leases tell.
 */
import type { Ip, Lease, NetworkId } from '../core/model.ts'
import { keyIn, networkOfKey, restOf } from '../core/snapshot.ts'
import type { Store } from '../store/store.ts'

export interface LastLeased {
  /** Of the family of `like`, an address or a pool. */
  of(network: NetworkId, like: string): Ip | undefined
}

export function followLeases(store: Pick<Store, 'snapshot' | 'onChange'>, now: () => Date): LastLeased {
  const last = new Map<string, { ip: Ip; at: number }>()
  const note = (key: string, { leasedAt }: Lease): void => {
    const ip = restOf(key)
    const place = placeOf(networkOfKey(key), ip)
    // By the clock of a host that is ahead it would stay the last until that time has come.
    const at = Math.min(Date.parse(leasedAt), now().getTime())
    if (at >= (last.get(place)?.at ?? 0)) last.set(place, { ip, at })
  }
  for (const [key, { value }] of store.snapshot().addresses) note(key, value)
  store.onChange((snapshot, changed) => {
    for (const { table, key } of changed) {
      const lease = table === 'addresses' ? snapshot.addresses.get(key) : undefined
      if (lease !== undefined) note(key, lease.value)
      if (table === 'networks' && !snapshot.networks.has(key))
        for (const like of ['.', ':']) last.delete(placeOf(key, like))
    }
  })
  return { of: (network, like) => last.get(placeOf(network, like))?.ip }
}

function placeOf(network: NetworkId, like: string): string {
  return keyIn(network, like.includes(':') ? 'v6' : 'v4')
}
