/**
 * The store's consistency: every reference to another record leads to an existing record that agrees.
 *
 * Every commit keeps it so. It can be broken by a key that was edited by hand, or deleted while no driver
 * ran, an old backup, or a defect of the driver. A difference carries the commit that repairs it when nothing
 * is lost by the repair: a claim of a network that is gone, a lease whose endpoint is gone. Linear in
 * records.
 */
import { holderInsteadOf, serviceHint } from '../endpoints/conflicts.ts'
import { holderText, sharedMacHint, sharedMacs } from '../endpoints/macs.ts'
import { networkWithId } from '../network-rivals.ts'
import { overlappingPools } from '../pools.ts'
import { claimHolder, claimsOf, leasesOfEndpoint, removeEndpoint } from '../record-changes.ts'
import type {
  Change,
  Cidr,
  Endpoint,
  EndpointId,
  HostName,
  Ip,
  Lease,
  Network,
  NetworkId,
  Snapshot,
  Table,
  Versioned,
} from '../records.ts'
import { isIdle } from '../reserve.ts'
import { sharedVtepHint, sharedVteps } from '../shared-vteps.ts'
import {
  addressesOf,
  endpoint,
  hostOfKey,
  keyIn,
  labelOf,
  networkLabel,
  networkOfKey,
  recordName,
  restOf,
} from '../snapshot.ts'
import { otherFamilies, otherFamilyHint } from '../vtep-families.ts'
import { type Difference, nothing, repairHint } from './difference.ts'

export interface StoreState {
  snapshot: Snapshot
  /** The host whose leases and endpoints may be repaired. */
  host: HostName
  /** Keys whose values cannot be read. */
  corrupt: readonly string[]
  /** Keys that were deleted by hand and are not back yet; the snapshot has them. */
  missing: readonly string[]
}

export function checkStore({ snapshot, host, corrupt, missing }: StoreState): Difference[] {
  const unread = new Set(corrupt)
  const isJudged: IsJudged = (table, key) =>
    unread.size === 0 || !referencesOf(snapshot, table, key).some((name) => unread.has(name))
  const judged = <V>(table: Table, records: Iterable<[string, V]>): [string, V][] =>
    [...records].filter(([key]) => isJudged(table, key))
  const { networks, macs, pools, addresses, endpoints, services, replicas, uses } = snapshot
  return [
    ...corrupt.map(unreadable),
    ...missing.map(deletedByHand),
    ...checkVteps(snapshot),
    ...checkFamilies(snapshot, host),
    ...judged('networks', networks).flatMap(([, it]) => checkNetwork(snapshot, it)),
    ...checkClaims(snapshot, host, isJudged),
    ...judged('macs', macs).flatMap(([key, it]) => checkMacClaim(snapshot, key, it)),
    ...[...networks.keys()].flatMap((network) => checkMacs(snapshot, network)),
    ...checkOverlaps([...pools.keys()]),
    ...judged('addresses', addresses).flatMap(([key, it]) => checkLease(snapshot, host, key, it)),
    ...judged('endpoints', endpoints).flatMap(([, it]) => checkEndpoint(snapshot, host, it)),
    ...judged('services', services).flatMap(([key]) => checkService(snapshot, key)),
    ...judged('replicas', replicas).flatMap(([key, it]) => checkReplica(snapshot, key, it.value)),
    ...judged('uses', uses).flatMap(([key]) => checkUse(snapshot, key)),
  ]
}

type IsJudged = (table: Table, key: string) => boolean

/** Names of the records that this one refers to. While one of them cannot be read, it is not judged. */
function referencesOf(snapshot: Snapshot, table: Table, key: string): string[] {
  const inNetwork = (of: Table, rest: string | undefined): string[] =>
    rest === undefined ? [] : [`${of}/${keyIn(networkOfKey(key), rest)}`]
  const leasesOf = (record: Parameters<typeof addressesOf>[0] | undefined): string[] =>
    record === undefined ? [] : addressesOf(record).flatMap((ip) => inNetwork('addresses', ip))
  switch (table) {
    case 'networks': {
      const network = snapshot.networks.get(key)?.value
      return network === undefined ? [] : claimsOf(network).map(recordName)
    }
    case 'network-names':
    case 'vnis':
    case 'pools':
      return [`networks/${claimHolder(snapshot, table, key)}`]
    case 'macs':
      return inNetwork('endpoints', snapshot.macs.get(key)?.value)
    case 'addresses': {
      const { host, endpoint, service } = snapshot.addresses.get(key)?.value ?? {}
      const holders = [...inNetwork('endpoints', endpoint), ...inNetwork('services', service)]
      return [`networks/${networkOfKey(key)}`, `hosts/${host}`, ...holders]
    }
    case 'endpoints': {
      const at = snapshot.endpoints.get(key)?.value
      return [`networks/${networkOfKey(key)}`, `hosts/${at?.host}`, ...leasesOf(at)]
    }
    case 'services': {
      const service = snapshot.services.get(key)?.value
      const behind = inNetwork('endpoints', service?.endpoint)
      return [`networks/${networkOfKey(key)}`, ...leasesOf(service), ...behind]
    }
    case 'replicas':
      return [`networks/${snapshot.replicas.get(key)?.value}`, `hosts/${hostOfKey(key)}`]
    case 'uses':
      return [`hosts/${hostOfKey(key)}`]
    default:
      return []
  }
}

function differs(
  object: string,
  expected: string,
  found: string,
  more: Partial<Difference> = {},
): Difference {
  return { plane: 'store', object, expected, found, hint: repairHint, ...more }
}

function unreadable(key: string): Difference {
  return differs(`key ${key}`, 'a value of its schema', 'one that cannot be read', {
    hint: 'correct or delete the key',
  })
}

function deletedByHand(key: string): Difference {
  const hint = 'the host that it belongs to puts it back as soon as it reaches Consul'
  return differs(`key ${key}`, 'a record', nothing, { hint })
}

/** Each host has a VTEP of its own. */
function checkVteps(snapshot: Snapshot): Difference[] {
  return [...sharedVteps(snapshot)].map(([vtep, names]) =>
    differs(`VTEP ${vtep}`, 'one host that has it', names.join(' and '), { hint: sharedVtepHint }),
  )
}

/** This host reaches the VTEPs of all hosts that it shares a network with. */
function checkFamilies(snapshot: Snapshot, self: HostName): Difference[] {
  return otherFamilies(snapshot, self).map(({ host, vtep, own, networks }) => {
    const expected = `a VTEP of the family of ${own}, on network ${networks.join(', ')}`
    return differs(`host ${host}`, expected, `the VTEP ${vtep}`, { hint: otherFamilyHint })
  })
}

/** Each network has its own VNI, pools and name, and no creation or removal stays half done. */
function checkNetwork(snapshot: Snapshot, { value, index }: Versioned<Network>): Difference[] {
  const object = `network ${networkLabel(value)}`
  if (value.removing) return [differs(object, 'no network that is being removed', 'one')]
  const unchanged: Change = { op: 'expect', table: 'networks', key: value.id, index }
  const claims = claimsOf(value).filter(({ table, key }) => claimHolder(snapshot, table, key) !== value.id)
  const missing = claims.map((claim): Difference => {
    const what = `claim ${claim.table}/${claim.key} of`
    const holder = claimHolder(snapshot, claim.table, claim.key)
    if (holder === undefined)
      return differs(`${what} ${object}`, `one of ${object}`, nothing, { repair: [unchanged, claim] })
    const [own, other] = [value, snapshot.networks.get(holder)?.value ?? { id: holder }].map(networkWithId)
    const more = { hint: 'remove one of the two networks' }
    return differs(`${what} network ${own}`, `one of network ${own}`, `one of network ${other}`, more)
  })
  const nameless =
    value.name === undefined
      ? [differs(object, 'a name', nothing, { hint: `docker network rm on ${value.createdBy}` })]
      : []
  return [...missing, ...nameless]
}

/** No claim outlives its network, or a creation that failed. */
function checkClaims(snapshot: Snapshot, host: HostName, isJudged: IsJudged): Difference[] {
  return (['network-names', 'vnis', 'pools'] as const).flatMap((table) =>
    [...snapshot[table]].flatMap(([key, { index }]): Difference[] => {
      if (!isJudged(table, key)) return []
      const holder = claimHolder(snapshot, table, key)
      const network = holder === undefined ? undefined : snapshot.networks.get(holder)?.value
      if (network !== undefined && claimsOf(network).some((it) => it.table === table && it.key === key))
        return []
      const found = holder === undefined ? 'a pool that no network has' : 'a network without it'
      const maker = table === 'pools' ? snapshot.pools.get(key)?.value.host : undefined
      const repair: Change[] = [{ op: 'remove', table, key, index }]
      const ours = holder !== undefined || maker === host
      const more = ours ? { repair } : { hint: `${repairHint} on ${maker}` }
      return [differs(`claim ${table}/${key}`, 'a network that has it', found, more)]
    }),
  )
}

/** A claimed MAC is the MAC of the endpoint that claims it. */
function checkMacClaim(
  snapshot: Snapshot,
  key: string,
  { value, index }: Versioned<EndpointId>,
): Difference[] {
  const network = networkOfKey(key)
  const holder = endpoint(snapshot, network, value)?.value
  if (holder?.mac === restOf(key)) return []
  const object = `claim of the MAC ${restOf(key)} in network ${labelOf(snapshot, network)}`
  const repair: Change[] = [{ op: 'remove', table: 'macs', key, index }]
  return [differs(object, 'an endpoint that has it', nothing, { repair })]
}

/** Each endpoint of a network has a MAC of its own. */
function checkMacs(snapshot: Snapshot, network: NetworkId): Difference[] {
  return [...sharedMacs(snapshot, network)].map(([mac, holders]) =>
    differs(
      `MAC ${mac} of network ${labelOf(snapshot, network)}`,
      'one endpoint that has it',
      holders.map(holderText).join(' and '),
      { hint: sharedMacHint },
    ),
  )
}

/** No pool lies in another one. */
function checkOverlaps(pools: readonly Cidr[]): Difference[] {
  return overlappingPools(pools).map(([outer, cidr]) => {
    const more = { hint: 'remove one of the two networks' }
    return differs(`pool ${cidr}`, 'a block of its own', `a part of ${outer}`, more)
  })
}

/** An address is leased for an endpoint, kept for a service, or in the reserve of a host of the cluster. */
function checkLease(
  snapshot: Snapshot,
  host: HostName,
  key: string,
  { value, index }: Versioned<Lease>,
): Difference[] {
  const [network, ip] = [networkOfKey(key), restOf(key)]
  const object = `address ${ip} of network ${labelOf(snapshot, network)}`
  const remove: Change[] = [{ op: 'remove', table: 'addresses', key, index }]
  if (!snapshot.networks.has(network)) {
    return [differs(object, 'its network', nothing, { repair: remove })]
  }
  const holder = value.endpoint === undefined ? undefined : endpoint(snapshot, network, value.endpoint)?.value
  const isBound = holder !== undefined && hasAddress(holder, ip)
  const service =
    value.service === undefined ? undefined : snapshot.services.get(keyIn(network, value.service))?.value
  const isKept = service !== undefined && hasAddress(service, ip)
  const known = (value.endpoint === undefined || isBound) && (value.service === undefined || isKept)
  if (known && (isBound || isKept)) return []
  if (isIdle(value) && snapshot.hosts.has(value.host)) return []
  const named = [value.endpoint?.slice(0, 12), value.service].filter((it) => it !== undefined).join(' and ')
  const found = named === '' ? nothing : `${named}, not with this address or not there`
  const repaired: Change[] =
    isBound || isKept
      ? [{ op: 'update', table: 'addresses', key, value: trimmed(value, isBound, isKept), index }]
      : remove
  const more = value.host === host ? { repair: repaired } : { hint: `${repairHint} on ${value.host}` }
  return [differs(object, 'an endpoint or a service that has it', found, more)]
}

function trimmed({ endpoint, service, ...lease }: Lease, isBound: boolean, isKept: boolean): Lease {
  return {
    ...lease,
    ...(isBound && endpoint !== undefined ? { endpoint } : {}),
    ...(isKept && service !== undefined ? { service } : {}),
  }
}

function hasAddress({ v4, v6 }: { v4: Ip; v6?: Ip }, ip: Ip): boolean {
  return v4 === ip || v6 === ip
}

/** Its network and host exist, and each of its addresses has a lease. */
function checkEndpoint(snapshot: Snapshot, host: HostName, at: Versioned<Endpoint>): Difference[] {
  const { value } = at
  const object = endpointLabel(snapshot, value)
  if (!snapshot.networks.has(value.network)) {
    const more = value.host === host ? { repair: removeEndpoint(snapshot, at) } : {}
    return [differs(object, 'its network', nothing, more)]
  }
  const leased = new Set(leasesOfEndpoint(snapshot, value).map(([key]) => restOf(key)))
  const unleased = addressesOf(value).filter((ip) => !leased.has(ip))
  const known = snapshot.hosts.get(value.host)?.value
  return [
    ...unleased.map((ip) => unleasedAddress(snapshot, object, at, ip ?? '', host)),
    ...(known === undefined
      ? [differs(object, 'a host of the cluster', value.host, { hint: `multihost host rm ${value.host}` })]
      : known.vtep === value.vtep
        ? []
        : [differs(object, `the VTEP ${known.vtep} of ${value.host}`, value.vtep)]),
  ]
}

function unleasedAddress(
  snapshot: Snapshot,
  object: string,
  { value, index }: Versioned<Endpoint>,
  ip: Ip,
  host: HostName,
): Difference {
  const key = keyIn(value.network, ip)
  const lease = snapshot.addresses.get(key)?.value
  const holder = lease?.endpoint?.slice(0, 12) ?? lease?.service ?? lease?.host
  const found = lease === undefined ? nothing : `one of ${holder}`
  // The time does not matter: the lease has an endpoint.
  const made: Lease = {
    host: value.host,
    endpoint: value.id,
    leasedAt: new Date(0).toISOString(),
    ...(value.service === undefined ? {} : { service: value.service }),
  }
  const repair: Change[] = [
    { op: 'expect', table: 'endpoints', key: keyIn(value.network, value.id), index },
    { op: 'create', table: 'addresses', key, value: made },
  ]
  const mendable = lease === undefined && value.host === host
  const hint =
    lease === undefined ? `${repairHint} on ${value.host}` : `stop one of the two containers that have ${ip}`
  return differs(object, `a lease of ${ip}`, found, mendable ? { repair } : { hint })
}

/** Its network, the leases of its addresses and its endpoint exist. */
function checkService(snapshot: Snapshot, key: string): Difference[] {
  const record = snapshot.services.get(key)
  if (record === undefined) return []
  const { value, index } = record
  const object = `service ${value.name} of network ${labelOf(snapshot, value.network)}`
  if (!snapshot.networks.has(value.network)) {
    return [
      differs(object, 'its network', nothing, { repair: [{ op: 'remove', table: 'services', key, index }] }),
    ]
  }
  const unkept = addressesOf(value).filter(
    (ip) => snapshot.addresses.get(keyIn(value.network, ip))?.value.service !== value.name,
  )
  const { endpoint: behind, ...rest } = value
  const lost = behind !== undefined && endpoint(snapshot, value.network, behind) === undefined
  const detached: Change[] = [{ op: 'update', table: 'services', key, value: rest, index }]
  return [
    ...unkept.map((ip) =>
      differs(
        object,
        `a lease of ${ip} that is kept for it`,
        holderInsteadOf(snapshot, value, ip) ?? nothing,
        { hint: serviceHint },
      ),
    ),
    ...(lost
      ? [differs(object, `endpoint ${behind.slice(0, 12)} behind it`, nothing, { repair: detached })]
      : []),
  ]
}

/** A replica's host and network exist. */
function checkReplica(snapshot: Snapshot, key: string, network: NetworkId): Difference[] {
  const host = hostOfKey(key)
  const object = `network ${restOf(key).slice(0, 12)} of host ${host}`
  return [
    ...(snapshot.networks.has(network) ? [] : [differs(object, `network ${network.slice(0, 12)}`, nothing)]),
    ...(snapshot.hosts.has(host)
      ? []
      : [differs(object, 'a host of the cluster', host, { hint: `multihost host rm ${host}` })]),
  ]
}

/**
 * Another host's use of a network keeps the network: one of a host that is not in the cluster would keep it
 * for good.
 */
function checkUse(snapshot: Snapshot, key: string): Difference[] {
  const host = hostOfKey(key)
  if (snapshot.hosts.has(host)) return []
  const object = `use of network ${labelOf(snapshot, restOf(key))} by host ${host}`
  return [differs(object, 'a host of the cluster', host, { hint: `multihost host rm ${host}` })]
}

/** `endpoint 12ab34cd56ef (web) of network foobar` */
export function endpointLabel(
  snapshot: Snapshot,
  { id, network, container }: Pick<Endpoint, 'id' | 'network' | 'container'>,
): string {
  const who = container === undefined ? '' : ` (${container.name})`
  return `endpoint ${id.slice(0, 12)}${who} of network ${labelOf(snapshot, network)}`
}
