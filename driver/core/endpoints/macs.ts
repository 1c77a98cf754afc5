/**
 * No two endpoints of a network have one MAC: the datapath and every neighbour cache find an endpoint by it.
 *
 * An endpoint's MAC is that of its IPv4 address (`macOf`), which is unique as the address is. Another MAC
 * comes from `docker run --mac-address`, or from here where that one has the address's MAC. Such a MAC is
 * claimed by a key, `macs/NETWORK/MAC`. The commit of an endpoint requires that no other endpoint has claimed
 * its MAC; the commit of a claim requires that the address of that MAC is leased as it was. So of two hosts
 * that choose one MAC at once, one wins.
 */

import { DriverError } from '../errors.ts'
import { addressOfMac, contains, macOf } from '../ip.ts'
import type {
  Change,
  Endpoint,
  EndpointId,
  Ip,
  Mac,
  Network,
  NetworkId,
  Snapshot,
  Versioned,
} from '../records.ts'
import { endpoint, endpointsAt, endpointsOf, keyIn, networkLabel } from '../snapshot.ts'

export interface MacAsk {
  id: EndpointId
  v4: Ip
  /** Docker gives this MAC. Undefined: any MAC will do. */
  asked: Mac | undefined
  /** Keys of endpoints whose values cannot be read: the MACs that they have claimed are not free. */
  unreadable?: ReadonlySet<string>
}

/** The MAC of a new endpoint. Throws `taken` with the holder of the MAC that was asked for. */
export function chooseMac(
  snapshot: Snapshot,
  network: Network,
  { id, v4, asked, unreadable = new Set() }: MacAsk,
): Mac {
  const candidates = asked === undefined ? [macOf(v4), ...otherMacs(v4)] : [asked]
  const isFree = (mac: Mac): boolean => {
    const claim = snapshot.macs.get(keyIn(network.id, mac))?.value
    const isUnknown = claim !== undefined && unreadable.has(keyIn(network.id, claim))
    return !isUnknown && holderOf(snapshot, network.id, mac, id) === undefined
  }
  const mac = candidates.find(isFree)
  if (mac === undefined) throw macTaken(snapshot, network, candidates[0] ?? '', id)
  return mac
}

/** What the commit of a new endpoint needs for its MAC. Throws `taken` with the holder of the MAC. */
export function claimMac(snapshot: Snapshot, network: Network, { id, v4, mac }: Endpoint): Change[] {
  chooseMac(snapshot, network, { id, v4, asked: mac })
  const key = keyIn(network.id, mac)
  const claim = snapshot.macs.get(key)
  const unheld = holderIsAbsent(network.id, claim, id)
  if (mac === macOf(v4)) return [claimIsAbsent(key, claim), ...unheld]
  const own: Change =
    claim === undefined
      ? { op: 'create', table: 'macs', key, value: id }
      : { op: 'update', table: 'macs', key, value: id, index: claim.index }
  return [own, ...unheld, ...addressUnchanged(snapshot, network, mac, v4)]
}

/** The same for an endpoint that runs already. Without a claim where another has the MAC: `sharedMacs` names both. */
export function claimMacAgain(snapshot: Snapshot, network: Network, value: Endpoint): Change[] {
  if (value.mac === macOf(value.v4)) return []
  if (holderOf(snapshot, network.id, value.mac, value.id) !== undefined) return []
  return claimMac(snapshot, network, value)
}

/**
 * Endpoints that have the MAC of another endpoint of their network, by MAC. One pass: `status` and each
 * metric ask.
 */
export function sharedMacs(snapshot: Snapshot, network: NetworkId): Map<Mac, Endpoint[]> {
  const first = new Map<Mac, Endpoint>()
  const shared = new Map<Mac, Endpoint[]>()
  for (const { value } of endpointsOf(snapshot, network)) {
    const other = first.get(value.mac)
    if (other === undefined) first.set(value.mac, value)
    else shared.set(value.mac, [...(shared.get(value.mac) ?? [other]), value])
  }
  return shared
}

/** Docker cannot change the MAC of a container's interface. */
export const sharedMacHint =
  'disconnect one of the two containers from the network and connect it again, or run it with another --mac-address'

/** `container web on net-2` */
export function holderText({ id, container, host }: Endpoint): string {
  const who = container === undefined ? `endpoint ${id.slice(0, 12)}` : `container ${container.name}`
  return `${who} on ${host}`
}

/** The address's MAC with another first byte: locally administered, and no address has it by `macOf`. */
function otherMacs(v4: Ip): Mac[] {
  return [0x06, 0x0a, 0x0e, 0x12, 0x16, 0x1a, 0x1e].map(
    (first) => `${first.toString(16).padStart(2, '0')}${macOf(v4).slice(2)}`,
  )
}

/** Another endpoint with the MAC, by its record or its claim. A claim whose endpoint is gone holds nothing. */
function holderOf(snapshot: Snapshot, network: NetworkId, mac: Mac, own: EndpointId): Endpoint | undefined {
  const holder = endpointsAt(snapshot, network, mac).find(({ value }) => value.id !== own)
  if (holder !== undefined) return holder.value
  const claim = snapshot.macs.get(keyIn(network, mac))?.value
  return claim === undefined || claim === own ? undefined : endpoint(snapshot, network, claim)?.value
}

/** The endpoint of an earlier claim may be one that this host cannot read. */
function holderIsAbsent(
  network: NetworkId,
  claim: Versioned<EndpointId> | undefined,
  own: EndpointId,
): Change[] {
  if (claim === undefined || claim.value === own) return []
  return [{ op: 'absent', table: 'endpoints', key: keyIn(network, claim.value) }]
}

function claimIsAbsent(key: string, claim: Versioned<EndpointId> | undefined): Change {
  if (claim === undefined) return { op: 'absent', table: 'macs', key }
  return { op: 'remove', table: 'macs', key, index: claim.index }
}

/** Another host that gives the MAC's address to an endpoint changes the lease. */
function addressUnchanged(snapshot: Snapshot, network: Network, mac: Mac, own: Ip): Change[] {
  const ip = addressOfMac(mac)
  if (ip === undefined || ip === own || !contains(network.v4.cidr, ip)) return []
  const key = keyIn(network.id, ip)
  const lease = snapshot.addresses.get(key)
  if (lease === undefined) return [{ op: 'absent', table: 'addresses', key }]
  return [{ op: 'expect', table: 'addresses', key, index: lease.index }]
}

function macTaken(snapshot: Snapshot, network: Network, mac: Mac, own: EndpointId): DriverError {
  const holder = holderOf(snapshot, network.id, mac, own)
  const who = holder === undefined ? 'another endpoint' : holderText(holder)
  return new DriverError('taken', `the MAC ${mac} belongs to ${who} in network ${networkLabel(network)}`, {
    hint: 'choose another --mac-address, or omit it to get a free one',
  })
}
