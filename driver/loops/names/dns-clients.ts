/**
 * The clients of the DNS server, by address, and the names that each may see.
 *
 * The engine's DNS forwards a container's query from the container's own namespace. So the query comes from the
 * container's address on docker_gwbridge, or on another bridge that leads out of the container. No NAT rule changes that
 * address on the way to an address of this host.
 *
 * A container sees the names of its networks and no others. This host sees all names. A client on a bridge of this host
 * that is not in the engine's list of containers (an image that is being built) sees no names, and its queries are
 * forwarded. All other clients are refused.
 */
import { networkInterfaces } from 'node:os'
import { familyOf, parseCidr, parseIp } from '../../core/addresses.ts'
import { type Zone, zoneOf } from '../../core/names.ts'
import type { Cidr, HostName, Ip, NetworkId, Snapshot } from '../../core/records.ts'
import { endpointsOnHost } from '../../core/snapshot.ts'
import type { View } from '../../dns/lookup.ts'
import type { Engine } from '../../engine/engine.ts'
import type { Store } from '../../store/store.ts'

export interface DnsClients {
  viewOf(address: string): Promise<View | undefined>
  /** To be called when a container has started, stopped, connected or disconnected. */
  forget(): void
}

export interface DnsClientsOptions {
  store: Pick<Store, 'snapshot'>
  engine: Pick<Engine, 'network' | 'containers'>
  host: HostName
  /** The address of the DNS server. Other machines share its link, so clients from there are refused. */
  listens: Ip
  /** This host's addresses with their lengths. */
  interfaces?(): Cidr[]
  /** For an address that the engine has not listed, it is asked again after this time at the earliest. */
  pauseMs?: number
}

/** The network that connects containers with the world outside of their overlay networks. */
const gatewayBridge = 'docker_gwbridge'

export function createDnsClients(options: DnsClientsOptions): DnsClients {
  const { store, engine, host, listens, interfaces = ownInterfaces, pauseMs = 250 } = options
  let containers = new Map<Ip, string>()
  let links: readonly Cidr[] = []
  let isStale = true
  let lookedAt = Number.NEGATIVE_INFINITY
  let looking: Promise<void> | undefined

  const look = async (): Promise<void> => {
    isStale = false
    lookedAt = performance.now()
    links = interfaces()
    try {
      containers = await addressesOf(engine)
    } catch {
      // The engine is away: the old addresses are used until it answers again.
      isStale = true
    }
  }
  const lookAgain = async (): Promise<void> => {
    if (performance.now() - lookedAt < pauseMs && looking === undefined) return
    looking ??= look().finally(() => {
      looking = undefined
    })
    await looking
  }
  const zonesOf = (networks: Iterable<NetworkId>): Zone[] =>
    [...networks].map((id) => zoneOf(store.snapshot(), id)).filter((it) => it !== undefined)

  return {
    forget() {
      isStale = true
      lookedAt = Number.NEGATIVE_INFINITY
    },
    async viewOf(text) {
      const address = plain(text)
      if (isStale || !containers.has(address)) await lookAgain()
      const container = containers.get(address)
      if (container !== undefined) {
        return { zones: zonesOf(networksOf(store.snapshot(), host, container)), onlyUnambiguous: false }
      }
      if (isLoopback(address) || links.some((link) => link.split('/')[0] === address)) {
        return { zones: zonesOf(store.snapshot().networks.keys()), onlyUnambiguous: true }
      }
      const isNear = links.some((link) => holds(link, address) && !holds(link, listens))
      return isNear ? { zones: [], onlyUnambiguous: true } : undefined
    },
  }
}

/** Address → container, for all bridges of this host, ours among them. */
async function addressesOf(engine: DnsClientsOptions['engine']): Promise<Map<Ip, string>> {
  const [gateway, containers] = await Promise.all([engine.network(gatewayBridge), engine.containers()])
  const attached = containers.flatMap(({ id, attachments }) =>
    attachments.map(({ v4 }) => [v4, id] as [Ip, string]),
  )
  const outside = (gateway?.endpoints ?? []).map(({ v4, container }) => [v4, container] as [Ip, string])
  return new Map([...attached, ...outside].filter(([ip]) => ip !== ''))
}

function networksOf(snapshot: Snapshot, host: HostName, container: string): Set<NetworkId> {
  const own = endpointsOnHost(snapshot, host).filter(({ value }) => value.container?.id === container)
  return new Set(own.map(({ value }) => value.network))
}

function ownInterfaces(): Cidr[] {
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).flatMap(({ cidr }) => cidr ?? []))
}

/** A dual-stack socket reports IPv4 addresses as ::ffff:…; link-local addresses have a `%scope`. */
function plain(address: string): Ip {
  return address.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '')
}

function isLoopback(address: Ip): boolean {
  return address === '::1' || address.startsWith('127.')
}

function holds(link: Cidr, ip: Ip): boolean {
  const { family, first, last } = parseCidr(link)
  if (family !== familyOf(ip)) return false
  const { value } = parseIp(ip)
  return value >= first && value <= last
}
