/**
 * Hosts whose VTEP has another address family than this host's. A tunnel has two addresses of one family, so
 * the two make no entries for each other (datapath/desired.ts) and do not probe each other.
 */
import { familyOf } from './ip.ts'
import type { HostName, Ip, Snapshot } from './records.ts'
import { hostsUsing, labelOf, networksUsedBy } from './snapshot.ts'

export interface OtherFamily {
  host: HostName
  vtep: Ip
  own: Ip
  /** Names of the networks that both hosts have containers on. */
  networks: string[]
}

export function otherFamilies(snapshot: Snapshot, self: HostName): OtherFamily[] {
  const own = snapshot.hosts.get(self)?.value.vtep
  if (own === undefined) return []
  const shared = new Map<HostName, string[]>()
  for (const network of networksUsedBy(snapshot, self))
    for (const host of hostsUsing(snapshot, network))
      shared.set(host, [...(shared.get(host) ?? []), labelOf(snapshot, network)])
  return [...shared].sort().flatMap(([host, networks]): OtherFamily[] => {
    const vtep = snapshot.hosts.get(host)?.value.vtep
    if (vtep === undefined || familyOf(vtep) === familyOf(own)) return []
    return [{ host, vtep, own, networks }]
  })
}

export const otherFamilyHint =
  'give both hosts a VTEP of one family: start the driver of one of them with --bind-interface=ADDRESS'
