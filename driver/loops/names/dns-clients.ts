/**
 * Who asks, by the address that the question comes from, and what he may see.
 *
 * The engine's DNS passes a container's question on from the container's own namespace, so it comes from its address
 * on docker_gwbridge, or on whatever bridge leads out of it; nothing translates it on the way to an address of this
 * host. So a container sees the names of its networks and no others. This host sees all; whoever sits on a bridge of
 * this host and is no container that the engine lists (an image that is being built) sees none, and has his questions
 * passed on; everybody else is refused.
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
  /** A container has come, gone or moved. */
  forget(): void
}

export interface DnsClientsOptions {
  store: Pick<Store, 'snapshot'>
  engine: Pick<Engine, 'network' | 'containers'>
  host: HostName
  /** Where DNS listens: who shares its link is a stranger. */
  listens: Ip
  /** This host's addresses with their lengths. */
  interfaces?(): Cidr[]
  /** The engine is asked for an address that it does not know at most this often. */
  pauseMs?: number
}

/** The network through which containers reach beyond ours. */
const wayOut = 'docker_gwbridge'

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
      // The engine is away: what was known is better than nothing, until it is back and tells of changes.
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

/** On the bridges of this host, ours included: address → container. */
async function addressesOf(engine: DnsClientsOptions['engine']): Promise<Map<Ip, string>> {
  const [gateway, containers] = await Promise.all([engine.network(wayOut), engine.containers()])
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

/** A socket of both families writes IPv4 addresses as ::ffff:… */
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
