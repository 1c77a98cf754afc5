/**
 * What the store says, asked on the Consul server by Consul's own API, not through the driver. docs/consul.md has
 * every key.
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

/** Of that name, on whichever network; all without one. */
export async function storedServices(consulServer: Host, name?: string): Promise<StoredService[]> {
  const all = await records<StoredService>(consulServer, 'services')
  return all.filter((service) => name === undefined || service.name === name)
}

/** The networks with their endpoints, by name. */
export async function storedNetworks(consulServer: Host): Promise<ReadonlyMap<string, StoredNetwork>> {
  const endpoints = await records<StoredEndpoint & { network: string }>(consulServer, 'endpoints')
  const networks = await records<Omit<StoredNetwork, 'endpoints'>>(consulServer, 'networks')
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

async function records<T>(consulServer: Host, folder: string): Promise<T[]> {
  const url = `http://127.0.0.1:8500/v1/kv/multihost/${folder}/?recurse`
  const { stdout } = await consulServer.run`curl -s ${url}` // 404 with an empty body: there are none
  const pairs: { Value: string }[] = stdout === '' ? [] : JSON.parse(stdout)
  return pairs.map(({ Value }) => JSON.parse(Buffer.from(Value, 'base64').toString('utf8')))
}
