/**
 * What this host's reserves of addresses need (core/reserve.ts). Pure; loop.ts commits it. Grows with the
 * networks of this host.
 *
 * - A reserve that is half empty is filled, in ascending order, while the pool has more free addresses than
 *   hosts.
 * - What is more than the reserve's size and the stopped containers of this host, goes back after a rest.
 * - What another host wants goes back at once. While a host wants one certain address, no reserve takes it;
 *   while another host wants any address, nothing is filled.
 * - A lease whose address an endpoint of another host has goes to that endpoint.
 * - An address of `--ip` goes back when no container of this host names it any more.
 * - An address that a container names is leased before its first start, so that no other container gets it.
 */

import { defined } from '../../core/defined.ts'
import { isCode } from '../../core/errors.ts'
import { contains, familyOf, parseCidr, parseIp } from '../../core/ip.ts'
import { checkAddress, leasedAddresses, nextAddresses, unboundSince } from '../../core/leases.ts'
import type { Change, HostName, Ip, Lease, Network, NetworkId, Pool, Snapshot } from '../../core/records.ts'
import {
  containersOn,
  type IdleLease,
  idleLeases,
  inOrder,
  isIdle,
  reserveSize,
  restMs,
  stoppedShare,
  strayLeases,
  wantedByOthers,
} from '../../core/reserve.ts'
import {
  endpointsOnHost,
  keyIn,
  leasesOf,
  leasesOnHost,
  networkOfKey,
  networksUsedBy,
  restOf,
  usesOfNetwork,
  usesOn,
  wantsOf,
} from '../../core/snapshot.ts'

export type Step =
  | { step: 'lease'; changes: Change[] }
  /** `wanted`: another host waits for it. */
  | { step: 'return'; changes: Change[]; wanted: boolean }
  /** This host wants the address no more, and the record stayed since the store did not answer. */
  | { step: 'forget'; changes: Change[] }

export interface View {
  snapshot: Snapshot
  host: HostName
  now: Date
  isHeld(key: string, lease: Lease): boolean
  /** Keys of the addresses that this host's containers name (`--ip`); undefined while that is not known. */
  named: ReadonlySet<string> | undefined
  /** Keys of leases whose values cannot be read: their addresses are not free. */
  unreadable: ReadonlySet<string>
  /** False for a request older than `wantedForMs`: its host is gone. */
  isCurrent(want: string): boolean
}

/** The hosts' clocks differ by less. */
const clockSkewMs = 10 * 60_000
const atOnce = 40
/** Longer than a request waits for an address. */
export const wantedForMs = 15_000

export function planReserves(view: View): Step[] {
  const { snapshot, host } = view
  const withLeases = [...leasesOnHost(snapshot, host).keys()].map(networkOfKey)
  const named = [...(view.named ?? [])].map(networkOfKey)
  const used = [...networksUsedBy(snapshot, host), ...usesOn(snapshot, host).keys()]
  const ids = new Set([...withLeases, ...used, ...named])
  const steps = [...ids].flatMap((id) => {
    const network = snapshot.networks.get(id)?.value
    return network === undefined || network.removing ? [] : planNetwork(view, network)
  })
  const old = [...snapshot.wanted].filter(
    ([, { value }]) => value.host === host && view.now.getTime() - Date.parse(value.since) > wantedForMs,
  )
  const changes = old.map(([key]): Change => ({ op: 'drop', table: 'wanted', key }))
  return changes.length === 0 ? steps : [...steps, { step: 'forget', changes }]
}

/** Whether an idle address of `--ip` is there: then the containers of this host count. */
export function hasAsked({ snapshot, host, isHeld }: Pick<View, 'snapshot' | 'host' | 'isHeld'>): boolean {
  return [...leasesOnHost(snapshot, host)].some(
    ([key, { value }]) => value.asked && isIdle(value) && !isHeld(key, value),
  )
}

function planNetwork(view: View, network: Network): Step[] {
  const { snapshot, host, isHeld } = view
  const idle = idleLeases(snapshot, host, network.id).filter(({ key, lease }) => !isHeld(key, lease.value))
  const wanted = wantedByOthers(snapshot, network.id, host, view.isCurrent)
  const asked = idle.filter(({ key, lease }) => lease.value.asked && view.named?.has(key) === false)
  const others = idle.filter(({ lease }) => !lease.value.asked)
  const isNamed = ({ key }: IdleLease): boolean => view.named?.has(key) === true
  const given = others.filter((it) => !isNamed(it) && (wanted.any || wanted.ips.has(it.ip)))
  const pools = network.v6 === undefined ? [network.v4] : [network.v4, network.v6]
  const rest = pools.flatMap((pool) =>
    planPool(
      view,
      network,
      pool,
      others.filter((it) => !given.includes(it) && !isNamed(it)),
      wanted.any,
    ),
  )
  return [
    ...returned([...given, ...asked], given.length > 0),
    ...handedOver(view, network),
    ...kept(view, network, others),
    ...rest,
  ]
}

/** In one commit per lease, so that the address is free at no time. */
function handedOver({ snapshot, host, now, isHeld }: View, network: Network): Step[] {
  const stray = strayLeases(snapshot, host, network.id).filter(({ key, lease }) => !isHeld(key, lease.value))
  return stray.map(({ key, lease, holder }): Step => {
    const { id, host: of, service } = holder.value
    const value: Lease = { ...defined({ service }), host: of, endpoint: id, leasedAt: now.toISOString() }
    return {
      step: 'lease',
      changes: [
        { op: 'expect', table: 'endpoints', key: keyIn(network.id, id), index: holder.index },
        { op: 'update', table: 'addresses', key, value, index: lease.index },
      ],
    }
  })
}

/** Leases what containers of this host name and no host has, and keeps what lies in the reserve for them. */
function kept(
  { snapshot, host, named, unreadable, now }: View,
  network: Network,
  reserve: readonly IdleLease[],
): Step[] {
  const record = snapshot.networks.get(network.id)
  const keys = [...(named ?? [])].filter((key) => networkOfKey(key) === network.id)
  if (record === undefined || keys.length === 0) return []
  const all = keys.flatMap((key): Change[] => {
    const idle = reserve.find((it) => it.key === key)
    if (idle !== undefined)
      return [
        {
          op: 'update',
          table: 'addresses',
          key,
          value: { ...idle.lease.value, asked: true },
          index: idle.lease.index,
        },
      ]
    const isFree = !snapshot.addresses.has(key) && !unreadable.has(key)
    if (!isFree || !canBeLeased(network, restOf(key))) return []
    return [
      { op: 'create', table: 'addresses', key, value: { host, leasedAt: now.toISOString(), asked: true } },
    ]
  })
  const changes = all.slice(0, atOnce)
  if (changes.length === 0) return []
  return [
    {
      step: 'lease',
      changes: [{ op: 'expect', table: 'networks', key: network.id, index: record.index }, ...changes],
    },
  ]
}

/** Another address is refused when the container starts. */
function canBeLeased({ v4, v6 }: Network, ip: Ip): boolean {
  const pool = [v4, v6].find((it) => it !== undefined && contains(it.cidr, ip))
  if (pool === undefined) return false
  try {
    return checkAddress(ip, { pool, leased: new Set() }) === ip
  } catch (error) {
    if (isCode(error, 'invalid') || isCode(error, 'taken')) return false
    throw error
  }
}

function planPool(
  view: View,
  network: Network,
  pool: Pool,
  others: readonly IdleLease[],
  isWanted: boolean,
): Step[] {
  const size = sizeOf(view, network.id, pool)
  const idle = inOrder(others, pool, containersOn(view.snapshot, view.host, network.id))
  if (idle.length <= size.least && size.most > 0 && !isWanted) {
    return filled(view, network, pool, size.most - idle.length)
  }
  const outside = others.filter(
    (it) => familyOf(it.ip) === familyOf(pool.gateway) && !idle.some(({ key }) => key === it.key),
  )
  const surplus = idle.length > size.most ? [...outside, ...idle.slice(size.most)] : outside
  return returned(
    surplus.filter(({ lease }) => hasRested(lease.value, view.now)),
    false,
  )
}

/**
 * The reserve is filled to `most` when it is down to `least`. Stopped containers that pile up take no more
 * than the host's share of half of the pool.
 */
function sizeOf({ snapshot, host }: View, network: NetworkId, pool: Pool): { least: number; most: number } {
  const here = endpointsOnHost(snapshot, host).filter(({ value }) => value.network === network).length
  const configured = usesOn(snapshot, host).get(network)?.value.containers ?? 0
  if (here === 0 && configured === 0) return { least: -1, most: 0 }
  const most = stoppedShare(pool, usesOfNetwork(snapshot, network).size)
  const stopped = Math.min(Math.max(0, configured - here), most)
  const size = reserveSize(pool, snapshot.hosts.size)
  return { least: Math.floor(size / 2) + stopped - (size === 1 ? 0 : 1), most: size + stopped }
}

function filled(
  { snapshot, host, now, unreadable, isCurrent }: View,
  network: Network,
  pool: Pool,
  count: number,
): Step[] {
  const { id } = network
  const leases = leasesOf(snapshot, id)
  const wanted = new Set(
    [...wantsOf(snapshot, id)].flatMap(([key, { value }]) => (isCurrent(key) ? (value.ip ?? []) : [])),
  )
  const known = leasedAddresses(snapshot, id, unreadable)
  const leased = { has: (ip: Ip) => wanted.has(ip) || known.has(ip) }
  const spared = snapshot.hosts.size
  const wantedCount = Math.min(count, atOnce)
  const free = nextAddresses({ pool, leased, last: newest(leases, pool, now) }, wantedCount + spared)
  const ips = free.slice(0, Math.min(wantedCount, free.length - spared))
  const record = snapshot.networks.get(id)
  if (free.length <= spared || record === undefined) return []
  const value: Lease = { host, leasedAt: now.toISOString() }
  const creates = ips.map((ip): Change => ({ op: 'create', table: 'addresses', key: keyIn(id, ip), value }))
  const changes: Change[] = [{ op: 'expect', table: 'networks', key: id, index: record.index }, ...creates]
  return [{ step: 'lease', changes }]
}

/**
 * The search goes on after it, so that an address which another host has returned rests. A lease of the
 * future is of a host whose clock was wrong.
 */
function newest(leases: ReturnType<typeof leasesOf>, pool: Pool, now: Date): Ip | undefined {
  const latestAt = new Date(now.getTime() + clockSkewMs).toISOString()
  const { family, first, last } = parseCidr(pool.range ?? pool.cidr)
  let latest: { ip: Ip; at: bigint; leasedAt: string } | undefined
  for (const [key, { value }] of leases) {
    const { leasedAt } = value
    if (leasedAt > latestAt || (latest !== undefined && leasedAt < latest.leasedAt)) continue
    const ip = restOf(key)
    const { family: its, value: at } = parseIp(ip)
    if (its !== family || at < first || at > last) continue
    if (leasedAt !== latest?.leasedAt || at > latest.at) latest = { ip, at, leasedAt }
  }
  return latest?.ip
}

function returned(leases: readonly IdleLease[], wanted: boolean): Step[] {
  if (leases.length === 0) return []
  const some = leases.slice(0, atOnce)
  const changes = some.map(
    ({ key, lease }): Change => ({ op: 'remove', table: 'addresses', key, index: lease.index }),
  )
  return [{ step: 'return', changes, wanted }]
}

function hasRested(lease: Lease, now: Date): boolean {
  const restedMs = now.getTime() - Date.parse(unboundSince(lease))
  return restedMs >= restMs || restedMs < -clockSkewMs
}
