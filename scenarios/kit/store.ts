/**
 * The records in the store, read on the Consul server by Consul's own HTTP API, not through the driver.
 * docs/consul.md describes every key. On a secured lab, root's curl there has the token, so the same calls
 * work on every lab.
 *
 * The records of hosts are always in the store: a store without any could not be read, and is an error.
 */
import type { Host } from './host.ts'

export interface StoredNetwork {
  id: string
  name: string
  vni: number
  endpoints: StoredEndpoint[]
}

export interface StoredEndpoint {
  host: string
  vtep: string
  v4: string
  mac: string
  service?: string
  container?: { id: string; name: string }
}

export interface StoredService {
  id: string
  name: string
  /** The service's reserved address. */
  v4: string
}

/**
 * Resolves when Consul, after a start, answers with the records from before it. A started Consul has a leader
 * sooner, but answers from an old state until it has replayed its log. A `?consistent` read waits for that.
 * The answer is 404 while no host has a record.
 */
export async function consulLeads(consulServer: Host): Promise<void> {
  const ask = `curl -s -o /dev/null -w '%{http_code}' '${storeUrl}/hosts/?keys&consistent'`
  await consulServer.within(30_000).waitUntilSucceeds`sh -c ${`${ask} | grep -Eqx '200|404'`}`
}

/**
 * A server that Consul's autopilot has removed finds the others within 30 s. It votes after 10 healthy
 * seconds, at autopilot's next look, which comes every 10 s.
 */
const votesWithinMs = 120_000

/**
 * Resolves when each of so many Consul servers is healthy and votes, as autopilot sees them: the others are
 * a majority when one goes. Autopilot removes a server that serf calls failed, and takes it back without a
 * vote at first. A server that was removed is not in its list.
 */
export async function everyServerVotes(consulServer: Host, servers: number): Promise<void> {
  const votes = `(.Servers | length) == ${servers} and all(.Servers[]; .Healthy and .Voter)`
  const ask = `set -o pipefail; curl -sf ${api}/operator/autopilot/health | jq -e '${votes}'`
  await consulServer.within(votesWithinMs).waitUntilSucceeds`bash -c ${ask}`
}

/** The services of that name on all networks; without a name, all services. */
export async function storedServices(consulServer: Host, name?: string): Promise<StoredService[]> {
  const services = recordsIn<StoredService>(await everything(consulServer), 'services')
  return services.filter((service) => name === undefined || service.name === name)
}

/** Network name → network with its endpoints. */
export async function storedNetworks(consulServer: Host): Promise<ReadonlyMap<string, StoredNetwork>> {
  const all = await everything(consulServer)
  const endpoints = recordsIn<StoredEndpoint & { network: string }>(all, 'endpoints')
  const networks = recordsIn<Omit<StoredNetwork, 'endpoints'>>(all, 'networks')
  return new Map(
    networks.map((network) => [
      network.name,
      { ...network, endpoints: endpoints.filter((endpoint) => endpoint.network === network.id) },
    ]),
  )
}

export async function storedNetwork(consulServer: Host, name: string): Promise<StoredNetwork> {
  const networks = await storedNetworks(consulServer)
  const network = networks.get(name)
  if (network === undefined)
    throw new Error(`the store has no network ${name}: ${[...networks.keys()].join(', ') || 'none'}`)
  return network
}

/**
 * The keys of containers, networks and services: all keys but those of hosts and of the addresses in their
 * reserves.
 */
export async function storedKeys(consulServer: Host): Promise<string[]> {
  const records = [...(await everything(consulServer))]
  return records
    .filter(([key, value]) => !key.startsWith('hosts/') && !isReserve(key, value))
    .map(([key]) => key)
}

function isReserve(key: string, value: unknown): boolean {
  const { endpoint, service } = value as { endpoint?: string; service?: string }
  return key.startsWith('addresses/') && endpoint === undefined && service === undefined
}

function recordsIn<T>(all: ReadonlyMap<string, unknown>, folder: string): T[] {
  return [...all].filter(([key]) => key.startsWith(`${folder}/`)).map(([, value]) => value as T)
}

/**
 * Keys that name the host, in the key or the value. A network and its pool are the cluster's, and say which
 * host made them.
 */
export async function keysNaming(consulServer: Host, { name }: Pick<Host, 'name'>): Promise<string[]> {
  return [...(await everything(consulServer))]
    .filter(
      ([key, value]) => !/^(networks|pools)\//.test(key) && `${key}${JSON.stringify(value)}`.includes(name),
    )
    .map(([key]) => key)
}

const api = 'http://127.0.0.1:8500/v1'
/** URL of the records on the Consul server; a key follows. */
export const storeUrl = `${api}/kv/multihost`
/** jq: one object with a value per key, without the log of changes. */
const readable =
  'map(select(.Key | startswith("multihost/changes/") | not) | { (.Key): (.Value | @base64d | fromjson) }) | add'

/** Key below `multihost/` → value, from one consistent read. */
async function everything(consulServer: Host): Promise<Map<string, unknown>> {
  const ask = `set -o pipefail; curl -sSf '${storeUrl}/?recurse&consistent' | jq -c '${readable}'`
  const all: object = JSON.parse(await consulServer.succeed`bash -c ${ask}`)
  return new Map(Object.entries(all).map(([key, value]) => [key.replace(/^multihost\//, ''), value]))
}
