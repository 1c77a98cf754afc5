/**
 * What the store says, asked on the Consul server by Consul's own API, not through the driver. docs/consul.md has
 * every key. There root's curl has the token of a secured lab, so it is asked the same way on every lab.
 *
 * The hosts are always in it: a store that shows nothing is one that could not be read, and that is an error.
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
  /** The address that it keeps. */
  v4: string
}

/**
 * Resolves when Consul, after a start, answers with what was there before it. It has a leader sooner, which answers
 * from the past until it has gone through its log, unless it is asked for a consistent answer.
 */
export async function consulLeads(consulServer: Host): Promise<void> {
  await consulServer.waitUntilSucceeds`curl -sf ${`${storeUrl}/hosts/?keys&consistent`}`
}

/** Of that name, on whichever network; all without one. */
export async function storedServices(consulServer: Host, name?: string): Promise<StoredService[]> {
  const services = recordsIn<StoredService>(await everything(consulServer), 'services')
  return services.filter((service) => name === undefined || service.name === name)
}

/** The networks with their endpoints, by name. */
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
    throw new Error(`the store has no network ${name}: ${[...networks.keys()].join(', ') || 'none at all'}`)
  return network
}

/** Keys of all that containers and networks have there: everything but the hosts. */
export async function storedKeys(consulServer: Host): Promise<string[]> {
  const keys = [...(await everything(consulServer)).keys()]
  return keys.filter((key) => !key.startsWith('hosts/'))
}

function recordsIn<T>(all: ReadonlyMap<string, unknown>, folder: string): T[] {
  return [...all].filter(([key]) => key.startsWith(`${folder}/`)).map(([, value]) => value as T)
}

/** Where it is asked on the Consul server; keys follow. */
export const storeUrl = 'http://127.0.0.1:8500/v1/kv/multihost'
/** Without the log of changes: one object with a value per key. */
const readable =
  'map(select(.Key | startswith("multihost/changes/") | not) | { (.Key): (.Value | @base64d | fromjson) }) | add'

/** Key below `multihost/` → value, all of one moment. */
async function everything(consulServer: Host): Promise<Map<string, unknown>> {
  const ask = `set -o pipefail; curl -sSf '${storeUrl}/?recurse&consistent' | jq -c '${readable}'`
  const all: object = JSON.parse(await consulServer.succeed`bash -c ${ask}`)
  return new Map(Object.entries(all).map(([key, value]) => [key.replace(/^multihost\//, ''), value]))
}
