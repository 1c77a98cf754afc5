/**
 * Endpoints that a host sends to the others directly, through the tunnel, while Consul does not carry them.
 *
 * What a host says of its own endpoints is believed as far as the store's copy allows: the sender is a host
 * of the cluster, and the endpoint's addresses are leased to that host. A record in the store always counts
 * more. Pure.
 */
import { defined } from '../defined.ts'
import type { Endpoint, HostName, Ip, Snapshot } from '../records.ts'
import { type AnyDelta, applyDeltas, endpointsAt, hostsUsing, keyIn } from '../snapshot.ts'

/** The host with this VTEP. Undefined where no host has it, or several. */
export function hostAt(snapshot: Snapshot, vtep: Ip): HostName | undefined {
  const [found, another] = [...snapshot.hosts].filter(([, { value }]) => value.vtep === vtep)
  return another === undefined ? found?.[0] : undefined
}

/** VTEPs of the other hosts with an endpoint on the endpoint's network. */
export function listenersOf(snapshot: Snapshot, { network, host, vtep }: Endpoint): Ip[] {
  return hostsUsing(snapshot, network).flatMap((name) => {
    const place = snapshot.hosts.get(name)?.value.vtep
    return name === host || place === undefined || place === vtep ? [] : [place]
  })
}

/** What the others need of an endpoint: names travel through the store alone. */
export function forPeers(endpoint: Endpoint): Endpoint {
  const { network, id, v4, v6, mac, host, vtep, joined, withoutIpv6 } = endpoint
  return defined({ network, id, v4, v6, mac, host, vtep, joined, aliases: [], withoutIpv6 })
}

/** JSON arrays of at most `mostBytes`, or of one endpoint. */
export function textsOf(endpoints: readonly Endpoint[], mostBytes: number): string[] {
  const texts: string[] = []
  let line: string[] = []
  const bytes = (): number => line.reduce((sum, it) => sum + it.length + 1, 1)
  for (const endpoint of endpoints) {
    const text = JSON.stringify(forPeers(endpoint))
    if (line.length > 0 && bytes() + text.length + 1 > mostBytes) {
      texts.push(`[${line.join(',')}]`)
      line = []
    }
    line.push(text)
  }
  return line.length === 0 ? texts : [...texts, `[${line.join(',')}]`]
}

/** True where the store's copy does not speak against the endpoint. */
export function isBelieved(snapshot: Snapshot, endpoint: Endpoint): boolean {
  const { network, id, v4, v6, mac, host } = endpoint
  const record = snapshot.endpoints.get(keyIn(network, id))?.value
  if (record !== undefined && (record.joined || record.host !== host)) return false
  const isLeased = [v4, v6].every((ip) => {
    if (ip === undefined) return true
    const lease = snapshot.addresses.get(keyIn(network, ip))?.value
    return lease?.host === host && lease.service === undefined
  })
  return isLeased && endpointsAt(snapshot, network, mac).every(({ value }) => value.host === host)
}

/** The snapshot with the endpoints that it has nothing against. */
export function withPeerEndpoints(snapshot: Snapshot, fromPeers: Iterable<Endpoint>): Snapshot {
  const believed = [...fromPeers].filter((endpoint) => isBelieved(snapshot, endpoint))
  if (believed.length === 0) return snapshot
  return applyDeltas(
    snapshot,
    believed.map(
      (value): AnyDelta => ({
        table: 'endpoints',
        key: keyIn(value.network, value.id),
        record: { value, index: 0 },
      }),
    ),
  )
}
