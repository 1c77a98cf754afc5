/** Hosts of one cluster in memory, each with its verbs, and the calls that dockerd makes for a command. */
import type { Cidr, Lease, Network } from '../../../../driver/core/records.ts'
import { isIdle } from '../../../../driver/core/reserve.ts'
import { createStartingContainer } from '../../../../driver/daemon/container-of-request.ts'
import { silentLog } from '../../../../driver/log.ts'
import { type JournaledStore, withJournal } from '../../../../driver/store/journal.ts'
import { journalFile } from '../../../../driver/store/journal-file.ts'
import type { Store } from '../../../../driver/store/store.ts'
import { blankHost, type VerbContext } from '../../../../driver/verbs/context.ts'
import { createVerbs } from '../../../../driver/verbs/create-verbs.ts'
import { createInFlight } from '../../../../driver/verbs/in-flight.ts'
import type { Verbs } from '../../../../driver/verbs/verbs.ts'
import { createMemoryCluster, type MemoryCluster } from '../../../fixtures/memory-store.ts'

export const never = new AbortController().signal
export const id = (digit: string): string => digit.repeat(64)

export interface Host {
  name: string
  store: JournaledStore
  verbs: Verbs
  context: VerbContext
  /** What `settled` was asked, and the clock that the verbs see. */
  settled: string[]
  clock: { now: Date }
}

export function cluster(): MemoryCluster & {
  host(number: number, options?: Partial<VerbContext>, store?: Store): Host
} {
  const memory = createMemoryCluster()
  return Object.assign(memory, {
    host: (number: number, options: Partial<VerbContext> = {}, store?: Store) =>
      host(memory, number, options, store),
  })
}

function host(memory: MemoryCluster, number: number, options: Partial<VerbContext>, opened?: Store): Host {
  const name = `net-${number}`
  const clock = { now: new Date('2026-01-01T00:00:00Z') }
  const store = withJournal(
    opened ?? memory.open(name),
    journalFile(async () => undefined, silentLog),
    {
      host: name,
      log: silentLog,
      now: () => clock.now,
    },
  )
  const settled: string[] = []
  const context: VerbContext = {
    host: name,
    store,
    underlay: () => ({ device: 'eth1', address: `192.168.33.1${number}`, mtuBytes: 1500 }),
    pools: ['172.21.0.0/16', '172.22.0.0/16', '172.23.0.0/16'],
    routes: async () => [],
    foreignVxlans: async () => [],
    settled: async (network, endpoint) => void settled.push(`${network.slice(0, 4)} ${endpoint.slice(0, 4)}`),
    starting: createStartingContainer(
      { container: async () => undefined, has: async () => true },
      () => clock.now,
    ),
    engineHas: async () => true,
    inFlight: createInFlight({ store, log: silentLog, now: () => clock.now }),
    log: silentLog,
    version: '0.1.0',
    now: () => clock.now,
    returnedWithinMs: 1500,
    ...options,
  }
  return { name, store, context, verbs: createVerbs(context), settled, clock }
}

/** As the host loop does: the host has a record with a session, which lives until the store is closed. */
export async function showAlive({ store, name, context }: Host): Promise<void> {
  const announced = await store.announce({ id: name, vtep: blankHost(context).vtep })
  const value = { ...blankHost(context), ...(announced.held && { session: announced.session }) }
  const index = (await store.read()).hosts.get(name)?.index
  const at = { table: 'hosts', key: name, value } as const
  await store.commit([index === undefined ? { op: 'create', ...at } : { op: 'update', ...at, index }])
}

export interface NewNetwork {
  id: string
  subnet?: string
  subnet6?: string
  range?: string
  gateway?: string
  aux?: Record<string, string>
  options?: Record<string, string>
  ipamOptions?: Record<string, string>
  internal?: boolean
  /** Docker takes the network back before it shows it. */
  isRefused?: boolean
}

/** `docker network create -d vxlan --ipam-driver vxlan`: the calls of moby's ipamAllocate and addNetwork. */
export async function createNetwork({ verbs, store, context }: Host, network: NewNetwork): Promise<Network> {
  const { options = {}, ipamOptions = {}, internal = false, isRefused = false } = network
  const pools = await ipam(verbs, network, ipamOptions, network.subnet, false)
  const pools6 =
    network.subnet6 === undefined ? [] : [await ipam(verbs, {}, ipamOptions, network.subnet6, true)]
  await verbs.createNetwork({ localId: network.id, v4: [pools], v6: pools6, options, internal }, never)
  // As the networks loop does.
  if (!isRefused) context.inFlight.newNetworks.remove(network.id)
  const made = [...store.snapshot().networks.values()].find(
    ({ value }) => value.id === network.id || value.id === ipamOptions['multihost.id'],
  )
  if (made === undefined) throw new Error('no network was made')
  return made.value
}

async function ipam(
  verbs: Verbs,
  { range, gateway, aux = {} }: Partial<NewNetwork>,
  options: Record<string, string>,
  subnet: string | undefined,
  v6: boolean,
) {
  const ask = { options, v6, ...(subnet === undefined ? {} : { pool: subnet }) }
  const pool = await verbs.requestPool({ ...ask, ...(range === undefined ? {} : { range }) }, never)
  const wanted = gateway === undefined ? {} : { address: gateway }
  const given = await verbs.requestAddress({ pool, gateway: true, ...wanted }, never)
  const reserved: Record<string, string> = {}
  for (const [name, address] of Object.entries(aux)) {
    reserved[name] = await verbs.requestAddress({ pool, gateway: false, address }, never)
  }
  return { addressSpace: 'multihost', pool, gateway: given, aux: reserved }
}

/** The calls of `docker run --network`: an address, an endpoint, and the way into the container. */
export async function run(
  { verbs }: Host,
  { network, pool, endpoint, ip }: { network: string; pool: Cidr; endpoint: string; ip?: string },
): Promise<string> {
  const ask = { pool, gateway: false, ...(ip === undefined ? {} : { address: ip }) }
  const v4 = await verbs.requestAddress(ask, never)
  await verbs.createEndpoint({ network, endpoint, v4 }, never)
  await verbs.join({ network, endpoint }, never)
  return v4.split('/')[0] ?? ''
}

export async function stop(
  { verbs }: Host,
  { network, pool, endpoint, ip }: { network: string; pool: Cidr; endpoint: string; ip: string },
): Promise<void> {
  await verbs.leave({ network, endpoint }, never)
  await verbs.deleteEndpoint({ network, endpoint }, never)
  await verbs.releaseAddress({ pool, address: ip }, never)
}

/** The calls of `docker network rm`: IPAM first, then the network. */
export async function removeNetwork(
  { verbs }: Host,
  localId: string,
  pool: Cidr,
  gateway: string,
): Promise<void> {
  await verbs.releaseAddress({ pool, address: gateway }, never)
  await verbs.releasePool(pool, never)
  await verbs.deleteNetwork(localId, never)
}

/** The store as lines, without times and without the hosts' reserves of addresses. */
export function show({ store }: Host): string {
  const snapshot = store.snapshot()
  const lines = Object.entries(snapshot).flatMap(([table, records]) =>
    [...records].flatMap(([key, { value }]) => {
      if (table === 'addresses' && isIdle(value as Lease)) return []
      const shown = JSON.stringify(value, (name, it) => (/At$/.test(name) ? undefined : it))
      return `${table}/${key} ${shown}`.replaceAll(/([0-9a-f])\1{63}/g, '$1…')
    }),
  )
  return lines.sort().join('\n')
}
