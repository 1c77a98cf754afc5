/**
 * The calls of dockerd's API that the docker wrapper and `multihost service` make, as the user who typed the
 * command.
 *
 * Answers are not checked by a schema: to load zod would double the time that a command takes to start.
 */
import { defined } from '../core/defined.ts'
import { isCode } from '../core/errors.ts'
import type { EngineClient, Schema } from './client.ts'
import { inSwarmMode } from './swarm.ts'

export interface DockerCommands {
  /** Throws `not-found`. */
  container(ref: string): Promise<ListedContainer>
  network(ref: string): Promise<ListedNetwork | undefined>
  networks(filters: Record<string, string[]>): Promise<ListedNetwork[]>
  /** `body`: of the engine's call. Returns the id. Throws `taken` when the engine has a network of that name. */
  createNetwork(body: object): Promise<string>
  removeNetwork(ref: string): Promise<void>
  connect(network: string, container: string, ip?: { v4?: string; v6?: string }): Promise<void>
  disconnect(network: string, container: string): Promise<void>
  inSwarmMode(): Promise<boolean>
}

export interface ListedContainer {
  id: string
  name: string
  networks: ConfiguredNetwork[]
}

/** A network that the container is on, or will be on when it starts. */
export interface ConfiguredNetwork {
  name: string
  /** Of this host. May be empty before the first start. */
  id: string
  /** The address that a person or a service requested; absent where Docker chooses one. */
  v4?: string
  v6?: string
}

export interface ListedNetwork {
  Id: string
  Name: string
  Driver: string
  Scope: string
}

interface InspectedContainer {
  Id: string
  Name: string
  NetworkSettings: {
    Networks?: Record<
      string,
      { NetworkID?: string; IPAMConfig?: { IPv4Address?: string; IPv6Address?: string } | null } | null
    > | null
  }
}

/** The engine calls this driver in turn, and a container's connect waits for its network. */
const timeoutMs = 60_000

export function dockerCommands(client: EngineClient): DockerCommands {
  const get = <T>(path: string): Promise<T> => client.call('GET', path, unchecked<T>(), { timeoutMs })
  const post = (path: string, body: object): Promise<void> => client.send('POST', path, { body, timeoutMs })
  return {
    async container(ref) {
      const { Id, Name, NetworkSettings } = await get<InspectedContainer>(`/containers/${esc(ref)}/json`)
      const networks = Object.entries(NetworkSettings.Networks ?? {}).map(([name, at]) => {
        const { IPv4Address, IPv6Address } = at?.IPAMConfig ?? {}
        const id = at?.NetworkID ?? ''
        return { name, id, ...(IPv4Address && { v4: IPv4Address }), ...(IPv6Address && { v6: IPv6Address }) }
      })
      return { id: Id, name: Name.replace(/^\//, ''), networks }
    },
    network: (ref) =>
      get<ListedNetwork>(`/networks/${esc(ref)}`).catch((error: unknown) => {
        if (isCode(error, 'not-found')) return undefined
        throw error
      }),
    networks: (filters) => get(`/networks?filters=${esc(JSON.stringify(filters))}`),
    async createNetwork(body) {
      const made = unchecked<{ Id: string }>()
      return (await client.call('POST', '/networks/create', made, { body, timeoutMs })).Id
    },
    removeNetwork: (ref) => client.send('DELETE', `/networks/${esc(ref)}`, { timeoutMs }),
    connect(network, container, { v4, v6 } = {}) {
      const IPAMConfig = defined({ IPv4Address: v4, IPv6Address: v6 })
      return post(`/networks/${esc(network)}/connect`, {
        Container: container,
        EndpointConfig: { IPAMConfig },
      })
    },
    disconnect: (network, container) =>
      post(`/networks/${esc(network)}/disconnect`, { Container: container }),
    inSwarmMode: () => inSwarmMode(client),
  }
}

function unchecked<T>(): Schema<T> {
  return { parse: (json) => json as T }
}

function esc(ref: string): string {
  return encodeURIComponent(ref)
}
