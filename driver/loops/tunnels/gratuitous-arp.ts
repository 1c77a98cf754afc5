/**
 * Tells this host's containers of every endpoint that joins one of their networks, here or on another host:
 * its address may have belonged to another MAC.
 *
 * The packet goes to this host's own VTEP, from where the kernel floods it to the containers: no process, no
 * namespace. It is repeated once, since nothing acknowledges it. Containers without an entry for the address
 * ignore it.
 */
import { endpointsHere } from '../../core/datapath/desired.ts'
import type { Endpoint, HostName, Ip, Snapshot } from '../../core/records.ts'
import { interfaceAddressesOf, networksUsedBy } from '../../core/snapshot.ts'
import { gratuitousArp } from '../../core/tunnels/gratuitous-arp.ts'
import type { TunnelSocket } from '../../kernel/tunnel-socket.ts'
import type { ChangedKey, Store } from '../../store/store.ts'

export interface GratuitousArpOptions {
  store: Pick<Store, 'snapshot' | 'onChange'>
  host: HostName
  vtep(): Ip
  socket(): Pick<TunnelSocket, 'send'> | undefined
}

const againAfterMs = 1000

/** Returns the function that stops it. */
export function startGratuitousArp(options: GratuitousArpOptions): () => void {
  const { store } = options
  const timers = new Set<NodeJS.Timeout>()
  let before = store.snapshot()
  const stop = store.onChange((snapshot, keys) => {
    const joined = joinedSince(before, snapshot, keys)
    before = snapshot
    if (joined.length === 0) return
    const used = new Set(networksUsedBy(snapshot, options.host))
    const here = joined.filter(({ network }) => used.has(network))
    if (here.length === 0) return
    tellAll(options, here)
    const timer = setTimeout(() => {
      timers.delete(timer)
      tellAll(options, here)
    }, againAfterMs)
    timers.add(timer.unref())
  })
  return () => {
    stop()
    for (const timer of timers) clearTimeout(timer)
  }
}

/** Endpoints that have joined, or have another MAC, host or address than before. */
function joinedSince(before: Snapshot, now: Snapshot, keys: readonly ChangedKey[]): Endpoint[] {
  return keys.flatMap(({ table, key }) => {
    const value = table === 'endpoints' ? now.endpoints.get(key)?.value : undefined
    if (!value?.joined) return []
    const old = before.endpoints.get(key)?.value
    const isSame =
      old?.joined &&
      old.mac === value.mac &&
      old.host === value.host &&
      old.v4 === value.v4 &&
      old.v6 === value.v6
    return isSame ? [] : [value]
  })
}

function tellAll(options: GratuitousArpOptions, endpoints: readonly Endpoint[]): void {
  const socket = options.socket()
  if (socket === undefined) return
  const snapshot = options.store.snapshot()
  for (const endpoint of endpoints) {
    const network = snapshot.networks.get(endpoint.network)?.value
    if (network === undefined) continue
    for (const packet of packetsFor(snapshot, options.host, endpoint, network.vni))
      void socket.send(packet, options.vtep(), network.port)
  }
}

function packetsFor(snapshot: Snapshot, host: HostName, endpoint: Endpoint, vni: number): Buffer[] {
  const { mac } = endpoint
  const addresses = interfaceAddressesOf(endpoint)
  if (endpoint.host !== host) return addresses.map((ip) => gratuitousArp({ vni, ip, mac }))
  const others = endpointsHere(snapshot, host, endpoint.network).filter(({ id }) => id !== endpoint.id)
  return others.flatMap(({ mac: to }) => addresses.map((ip) => gratuitousArp({ vni, ip, mac, to })))
}
