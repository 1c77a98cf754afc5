/**
 * `--link TARGET:ALIAS`: a name of a container on its network for one client alone.
 *
 * As in Docker (moby's Sandbox.ResolveName): an alias is tried before the names of all of the client's
 * networks. ALIAS and ALIAS.NETWORK hide a container of that name on the alias's network, also while the
 * target is not there. Of an alias that is given twice the last one counts.
 */
import { isWritable, type NameRecord, type Zone } from './names.ts'
import type { EndpointId, Ip, NetworkId, Snapshot } from './records.ts'
import { keyIn } from './snapshot.ts'

export interface Link {
  /** The client's, on the network of the target. */
  endpoint: EndpointId
  /** One of the target's names on the network. */
  target: string
  alias: string
}

/** A network of the client's. */
export interface LinkedNetwork {
  /** The network's name. */
  domain: string
  /** The lines of the client's hosts file. */
  records: readonly NameRecord[]
  /** Of a name on the network, in lower case. Empty when it does not exist. */
  addressesOf(name: string): readonly Ip[]
  /** Those of the client on this network. */
  links: readonly Link[]
}

export function linksOn(snapshot: Snapshot, network: NetworkId, links: readonly Link[]): Link[] {
  return links.filter(({ endpoint }) => snapshot.endpoints.has(keyIn(network, endpoint)))
}

/** In lower case: ALIAS and ALIAS.NETWORK whose target is not there. The network does not answer for them. */
export function namesWithoutTarget({
  domain,
  addressesOf,
  links,
}: Omit<LinkedNetwork, 'records'>): Set<string> {
  const without = [...byAlias(links)].filter(
    ([_, { target }]) => addressesOf(target.toLowerCase()).length === 0,
  )
  return new Set(without.flatMap(([alias]) => namesOf(alias, domain)))
}

/** The lines of the client's hosts file, with the aliases in them. */
export function linkedRecords(networks: readonly LinkedNetwork[]): NameRecord[] {
  const answered = new Set<string>()
  const aliases = networks.map(({ domain, addressesOf, links }) => {
    const own = [...byAlias(links).values()].map(({ alias, target }) => {
      const isFirst = !answered.has(alias.toLowerCase())
      const names = [...(isFirst ? [alias] : []), `${alias}.${domain}`].filter(isWritable)
      return { alias, names, ips: addressesOf(target.toLowerCase()) }
    })
    for (const { alias, ips } of own) if (ips.length > 0) answered.add(alias.toLowerCase())
    return own.flatMap(({ names, ips }) => ips.flatMap((ip) => names.map((name) => ({ ip, name }))))
  })
  return networks.flatMap(({ domain, records, links }, at) => {
    const hidden = new Set([...byAlias(links).keys()].flatMap((alias) => namesOf(alias, domain)))
    const isHidden = (name: string): boolean => hidden.has(name) || answered.has(name)
    return [...records.filter(({ name }) => !isHidden(name.toLowerCase())), ...(aliases[at] ?? [])]
  })
}

/** The zones as the client sees them. */
export function linkedZones(networks: readonly { zone: Zone; links: readonly Link[] }[]): Zone[] {
  const linked = networks.map(({ zone, links }) => ({ zone, targets: byAlias(links) }))
  /** Undefined for a name that is no alias on the network. */
  const throughLink = ({ zone, targets }: (typeof linked)[number], name: string): Ip[] | undefined => {
    const suffix = `.${zone.domain.toLowerCase()}`
    const short = zone.domain !== '' && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name
    const link = targets.get(name) ?? targets.get(short)
    return link && zone.addressesOf(link.target.toLowerCase())
  }
  return linked.map((it) => ({
    ...it.zone,
    addressesOf(name) {
      const first = linked.find((other) => (throughLink(other, name) ?? []).length > 0)
      if (first !== undefined && first !== it) return []
      return throughLink(it, name) ?? it.zone.addressesOf(name)
    },
  }))
}

function namesOf(alias: string, domain: string): string[] {
  return [alias, `${alias}.${domain.toLowerCase()}`]
}

/** By the alias in lower case; without those that would be other names in a hosts file. */
function byAlias(links: readonly Link[]): Map<string, Link> {
  const usable = links.filter(({ alias }) => isWritable(alias))
  return new Map(usable.map((link) => [link.alias.toLowerCase(), link]))
}
