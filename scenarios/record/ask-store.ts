/**
 * Networks and endpoints in the store: the question, and the answer as data.
 */
import { type AnswerLine, answerLines, type HostAnswer, list, parsed } from './answers.ts'
import type { StoredEndpoint, StoreView } from './snapshot.ts'

/** Command line for the host with Consul. */
export const askStore = `
for folder in networks endpoints hosts replicas services; do
  printf '\\n%s ' "$folder"; curl -s "http://127.0.0.1:8500/v1/kv/multihost/$folder/?recurse"
done`

/** `undefined` when the store has no hosts: the lab of another driver. */
export function storeView({ stdout, silent }: HostAnswer): StoreView | undefined {
  const lines = answerLines(stdout)
  const replicas = records<string>(lines, 'replicas')
  const hosts = records<RawHost>(lines, 'hosts').map(({ path: [name = ''], value }) => ({
    name,
    vtep: value.vtep,
    driver: value.driverVersion,
    ...(value.engineVersion === undefined ? {} : { engine: value.engineVersion }),
    networks: Object.fromEntries(
      replicas.flatMap(({ path: [host, local = ''], value: id }) => (host === name ? [[local, id]] : [])),
    ),
  }))
  if (silent !== undefined || hosts.length === 0) return undefined
  return {
    hosts,
    networks: records<RawNetwork>(lines, 'networks').map(({ value }) => ({
      id: value.id,
      name: value.name ?? value.id.slice(0, 12),
      vni: value.vni,
      pools: [value.v4, value.v6].flatMap((pool) => (pool ? [pool.cidr] : [])),
    })),
    endpoints: records<RawEndpoint>(lines, 'endpoints').map(({ value }) => storedEndpoint(value)),
    services: records<RawService>(lines, 'services').map(({ value }) => ({
      network: value.network,
      name: value.name,
      ip: value.v4,
      ...(value.endpoint === undefined ? {} : { endpoint: value.endpoint }),
    })),
  }
}

interface RawNetwork {
  id: string
  name?: string
  vni: number
  v4: { cidr: string }
  v6?: { cidr: string }
}

interface RawEndpoint extends Omit<StoredEndpoint, 'ips' | 'name'> {
  v4: string
  v6?: string
  container?: { name: string }
}

interface RawHost {
  vtep: string
  driverVersion: string
  engineVersion?: string
}

interface RawService {
  network: string
  name: string
  v4: string
  endpoint?: string
}

function storedEndpoint({
  id,
  network,
  v4,
  v6,
  mac,
  host,
  vtep,
  joined,
  container,
}: RawEndpoint): StoredEndpoint {
  const ips = v6 === undefined ? [v4] : [v4, v6]
  return { id, network, ips, mac, host, vtep, joined, ...(container ? { name: container.name } : {}) }
}

/** Consul's values are base64. `path`: the parts of the key below the folder. */
function records<T>(lines: AnswerLine[], word: string): { path: string[]; value: T }[] {
  return list<{ Key: string; Value: string | null }>(lines, word).flatMap(({ Key, Value }) => {
    const value = parsed<T>(Buffer.from(Value ?? '', 'base64').toString())
    const path = Key.split('/').slice(2).map(decodeURIComponent)
    return value === undefined ? [] : [{ path, value }]
  })
}
