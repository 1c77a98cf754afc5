/**
 * A host's reserve: addresses that the host has leased and that no endpoint and no service has. Pure.
 *
 * `RequestAddress` gives from the reserve and writes nothing; `ReleaseAddress` leaves the lease in place. So
 * a container starts while the store is away, and gets its own address again when it is restarted. A lease
 * that a person requested (`--ip`) is given to such a request only. A reserve costs a pool nothing: a host
 * that finds no free address says so (`wanted`), and the others return what lies idle.
 */
import { contains, parseCidr, parseIp, usable } from './ip.ts'
import { type IndexKeys, lookUp } from './record-index.ts'
import type { Endpoint, HostName, Ip, Lease, NetworkId, Pool, Snapshot, Versioned } from './records.ts'
import { endpointsAt, endpointsOnHost, keyIn, restOf, wantsOf } from './snapshot.ts'

export interface IdleLease {
  /** The key of the lease. */
  key: string
  ip: Ip
  lease: Versioned<Lease>
}

const idleByPlace: IndexKeys<Versioned<Lease>> = (key, { value }) =>
  isIdle(value) ? [keyIn(key.slice(0, key.indexOf('/')), value.host)] : []

/** True for a lease without endpoint and service. */
export function isIdle({ endpoint, service }: Lease): boolean {
  return endpoint === undefined && service === undefined
}

/**
 * The host's leases on the network that no endpoint and no service has. The endpoint's record counts as well
 * as the lease: an endpoint that is there keeps its addresses. Costs what it returns.
 */
export function idleLeases(snapshot: Snapshot, host: HostName, network: NetworkId): IdleLease[] {
  return unbound(snapshot, host, network).filter(({ ip }) => endpointsAt(snapshot, network, ip).length === 0)
}

/** The host's leases that are idle by their record, and whose address an endpoint of another host has. */
export function strayLeases(
  snapshot: Snapshot,
  host: HostName,
  network: NetworkId,
): (IdleLease & { holder: Versioned<Endpoint> })[] {
  return unbound(snapshot, host, network).flatMap((it) => {
    const holder = holderElsewhere(snapshot, host, network, it.ip)
    return holder === undefined ? [] : [{ ...it, holder }]
  })
}

function unbound(snapshot: Snapshot, host: HostName, network: NetworkId): IdleLease[] {
  const idle = lookUp(snapshot.addresses, idleByPlace, keyIn(network, host))
  return [...idle].map(([key, lease]) => ({ key, ip: restOf(key), lease }))
}

/**
 * The endpoint of another host that has the address. The lease is not asked: after a restore of the store,
 * the lease can be older than the endpoint. Undefined when an endpoint of this host has the address.
 */
export function holderElsewhere(
  snapshot: Snapshot,
  host: HostName,
  network: NetworkId,
  ip: Ip,
): Versioned<Endpoint> | undefined {
  const holders = endpointsAt(snapshot, network, ip)
  return holders.some(({ value }) => value.host === host) ? undefined : holders[0]
}

/** An address that its container does not come back to is given to no other one for so long. */
export const restMs = 60_000

/** Containers of the host that are on the network, as far as the engine has described their endpoints. */
export function containersOn(snapshot: Snapshot, host: HostName, network: NetworkId): Set<string> {
  const own = endpointsOnHost(snapshot, host).filter(({ value }) => value.network === network)
  return new Set(own.flatMap(({ value }) => value.container?.id ?? []))
}

/**
 * The part of the idle leases that a request without `--ip` can get from the pool, in the order in which they
 * are given: the one that was released last comes first, so that a restarted container keeps its address;
 * then ascending. Last come those whose container is `attached` with another address.
 */
export function inOrder(idle: readonly IdleLease[], pool: Pool, attached: ReadonlySet<string>): IdleLease[] {
  const { family, first, last } = parseCidr(pool.range ?? pool.cidr)
  return idle
    .map((it) => {
      const { at = '', container = '' } = it.lease.value.left ?? {}
      return { it, at: parseIp(it.ip), left: at, isLast: attached.has(container) }
    })
    .filter(({ it, at }) => {
      return !it.lease.value.asked && at.family === family && at.value >= first && at.value <= last
    })
    .sort((a, b) => {
      if (a.isLast !== b.isLast) return a.isLast ? 1 : -1
      if (a.left !== b.left) return a.left > b.left ? -1 : 1
      return a.at.value < b.at.value ? -1 : 1
    })
    .map(({ it }) => it)
}

const largest = 8

/** How many addresses of the pool a host keeps: 8, or its share of a small pool, and at least 1. */
export function reserveSize(pool: Pool, hosts: number): number {
  return Math.min(largest, share(pool, 4 * hosts))
}

/** For how many stopped containers a host keeps an address besides. */
export function stoppedShare(pool: Pool, hosts: number): number {
  return share(pool, 2 * hosts)
}

function share({ cidr, range }: Pool, parts: number): number {
  const { first, last } = usable(parseCidr(range ?? cidr))
  return Math.max(1, Number((last - first + 1n) / BigInt(Math.max(1, parts))))
}

/** The key of the record by which the host looks for an address of the network, or for this one. */
export function wantKey(network: NetworkId, host: HostName, ip?: Ip): string {
  return keyIn(network, ip === undefined ? host : `${host}@${ip}`)
}

/**
 * What other hosts look for and do not find: any address of the network, or certain ones. `isCurrent`: false
 * for the record of a host that has gone away.
 */
export function wantedByOthers(
  snapshot: Snapshot,
  network: NetworkId,
  host: HostName,
  isCurrent: (key: string) => boolean,
): { any: boolean; ips: Set<Ip> } {
  const wants = [...wantsOf(snapshot, network)].filter(
    ([key, { value }]) => value.host !== host && isCurrent(key),
  )
  return {
    any: wants.some(([, { value }]) => value.ip === undefined),
    ips: new Set(wants.flatMap(([, { value }]) => value.ip ?? [])),
  }
}

/** How a pool's leases are used, for the error of a pool that is full. */
export interface PoolUse {
  /** Addresses of endpoints by host. */
  used: Map<HostName, number>
  /** Addresses that published services or containers with `--ip` keep, by host. */
  kept: Map<HostName, number>
  idle: Map<HostName, number>
}

export function poolUse(
  leases: Iterable<[string, Versioned<Lease>]>,
  { cidr }: Pool,
  isHeld: (key: string) => boolean,
): PoolUse {
  const use: PoolUse = { used: new Map(), kept: new Map(), idle: new Map() }
  for (const [key, { value }] of leases) {
    if (!contains(cidr, restOf(key))) continue
    const isKept = value.endpoint === undefined && (value.service !== undefined || value.asked)
    const counts = isIdle(value) && !value.asked && !isHeld(key) ? use.idle : isKept ? use.kept : use.used
    counts.set(value.host, (counts.get(value.host) ?? 0) + 1)
  }
  return use
}

/**
 * `9 are used (5 on net-1, 4 on net-2), 1 is idle (1 on net-3, which is away)`; counts of 0 are left out.
 * `away`: the hosts that are.
 */
export function showPoolUse({ used, kept, idle }: PoolUse, away: ReadonlySet<HostName>): string {
  const on = (host: HostName): string => (away.has(host) ? `${host}, which is away` : host)
  const part = (counts: Map<HostName, number>, what: string): string[] => {
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
    const where = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([host, n]) => `${n} on ${on(host)}`)
    return total === 0 ? [] : [`${total} ${total === 1 ? 'is' : 'are'} ${what} (${where.join(', ')})`]
  }
  return [
    ...part(used, 'used'),
    ...part(kept, 'kept for services and containers with --ip'),
    ...part(idle, 'idle'),
  ].join(', ')
}
