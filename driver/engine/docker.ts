/**
 * The engine as the loops ask it: dockerd's API over its socket, for all versions from 20.10 on.
 *
 * A list of networks has no containers in it, so each network of this driver is inspected; their number is
 * small. Only the events that the loops use are subscribed to: health checks would flood the stream.
 */
import { defined } from '../core/defined.ts'
import { isCode } from '../core/errors.ts'
import type { EngineClient } from './client.ts'
import { isCalled } from './docker-ids.ts'
import type { Connection, Engine, EngineEvent, NewEngineNetwork, StoppedContainer } from './engine.ts'
import * as schema from './schemas.ts'
import { inSwarmMode } from './swarm.ts'

const actions = ['create', 'destroy', 'remove', 'connect', 'disconnect', 'start', 'die', 'rename', 'update']
/** Limit for calls during which the engine calls this driver. */
const slowMs = 30_000
/**
 * Engines from 24 on give up a start whose client goes away. A start with a slow volume, on several
 * networks or of a locked container would never come to its end.
 */
const startMs = 10 * 60_000

export interface DockerEngineOptions {
  /** A container of several that is not described within this time is taken for locked. */
  lockedAfterMs?: number
}

export function dockerEngine(
  client: EngineClient,
  { lockedAfterMs = 5000 }: DockerEngineOptions = {},
): Engine {
  return {
    version: async () => (await client.call('GET', '/version', schema.versionSchema)).Version,
    inSwarmMode: () => inSwarmMode(client),
    addressPools: async () => schema.poolsOf(await client.call('GET', '/info', schema.infoSchema)),
    containersFolder: async () =>
      schema.containersFolderOf(await client.call('GET', '/info', schema.infoSchema)),
    async networks() {
      const path = `/networks?filters=${filters({ driver: ['vxlan'] })}`
      const list = await client.call('GET', path, schema.networkList)
      return list.filter(({ Driver }) => Driver === 'vxlan').map(schema.networkOf)
    },
    network: (id) => network(client, id),
    async createNetwork(network) {
      const options = { body: createBody(network), timeoutMs: slowMs }
      return (await client.call('POST', '/networks/create', schema.createdSchema, options)).Id
    },
    async removeNetwork(id) {
      await found(() => client.send('DELETE', `/networks/${esc(id)}`, { timeoutMs: slowMs }))
    },
    running: async () =>
      (await client.call('GET', '/containers/json', schema.containerList)).map(({ Id }) => Id),
    attached: async () =>
      (await client.call('GET', '/containers/json', schema.configuredList)).flatMap(schema.attachedOf),
    async bridges() {
      const path = `/networks?filters=${filters({ driver: ['bridge'] })}`
      return (await client.call('GET', path, schema.networkList)).map(schema.networkOf)
    },
    container: (id) => container(client, id),
    has: async (id) => (await client.call('GET', listOf(id), schema.containerList)).length > 0,
    async configuredContainer(id) {
      const [listed] = await client.call('GET', listOf(id), schema.configuredList)
      return listed && schema.configuredOf(listed)
    },
    async configuredContainers() {
      const list = await client.call('GET', '/containers/json?all=1', schema.configuredList)
      return list.filter(({ State }) => State !== 'removing' && State !== 'dead').map(schema.configuredOf)
    },
    stoppedContainers: (which) => stoppedContainers(client, { ...which, lockedAfterMs }),
    stoppedContainer: (id) => stoppedContainer(client, id),
    startContainer: (id) => client.send('POST', `/containers/${esc(id)}/start`, { timeoutMs: startMs }),
    connect: (network, container, connection) =>
      client.send('POST', `/networks/${esc(network)}/connect`, {
        body: { Container: container, EndpointConfig: endpointConfig(connection) },
        timeoutMs: slowMs,
      }),
    close: client.close,
    events: (signal) => events(client, signal),
  }
}

const listOf = (container: string): string => `/containers/json?all=1&filters=${filters({ id: [container] })}`

function createBody(network: NewEngineNetwork): object {
  return {
    Name: network.name,
    // Engines before 25 would make a second network of the name.
    CheckDuplicate: true,
    Driver: network.driver,
    Internal: network.internal,
    Attachable: network.attachable,
    EnableIPv6: network.ipv6,
    Options: network.options,
    Labels: network.labels,
    IPAM: {
      Driver: network.ipamDriver,
      Options: network.ipamOptions,
      Config: network.pools.map(({ subnet, range, gateway, aux }) =>
        defined({ Subnet: subnet, IPRange: range, Gateway: gateway, AuxiliaryAddresses: aux }),
      ),
    },
  }
}

function endpointConfig(connection: Connection): object {
  const { aliases, links, options, v4, v6, linkLocal, mac, gatewayPriority } = connection
  return defined({
    IPAMConfig: defined({ IPv4Address: v4, IPv6Address: v6, LinkLocalIPs: linkLocal }),
    Aliases: aliases,
    Links: links,
    DriverOpts: options,
    MacAddress: mac,
    GwPriority: gatewayPriority,
  })
}

function network(client: EngineClient, id: string): ReturnType<Engine['network']> {
  return found(async () =>
    schema.networkOf(await client.call('GET', `/networks/${esc(id)}`, schema.networkSchema)),
  )
}

function container(client: EngineClient, id: string): ReturnType<Engine['container']> {
  return found(async () =>
    schema.containerOf(await client.call('GET', `/containers/${esc(id)}/json`, schema.containerSchema)),
  )
}

async function stoppedContainers(
  client: EngineClient,
  { onAnyNetwork = false, lockedAfterMs }: { onAnyNetwork?: boolean; lockedAfterMs: number },
): ReturnType<Engine['stoppedContainers']> {
  const path = `/networks?filters=${filters({ driver: ['vxlan'] })}`
  const networks = await client.call('GET', path, schema.networkList)
  const isOurs = (text: string): boolean =>
    networks.some(({ Id, Name }) => isCalled({ id: Id, name: Name }, text))
  const status = filters({ status: ['exited', 'created'] })
  const listed = await client.call('GET', `/containers/json?all=1&filters=${status}`, schema.stoppedList)
  // Engines from 29.0 on take a network from a container whose Join fails.
  const namedBy = ({ HostConfig, NetworkSettings }: (typeof listed)[number]): string[] => [
    HostConfig?.NetworkMode ?? '',
    ...Object.keys(NetworkSettings?.Networks ?? {}),
  ]
  const wanted = listed.filter((it) => onAnyNetwork || namedBy(it).some(isOurs))
  const answers = await Promise.allSettled(
    wanted.map(({ Id }) => stoppedContainer(client, Id, lockedAfterMs)),
  )
  const described = answers.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []))
  // The engine describes none: it is not there any more.
  const [first] = answers
  if (described.length === 0 && first?.status === 'rejected') throw first.reason
  return described.filter((it) => it !== undefined)
}

function stoppedContainer(
  client: EngineClient,
  id: string,
  timeoutMs?: number,
): Promise<StoppedContainer | undefined> {
  return found(async () => {
    const path = `/containers/${esc(id)}/json`
    const it = await client.call('GET', path, schema.stoppedSchema, defined({ timeoutMs }))
    return it.State.Running ? undefined : schema.stoppedOf(it)
  })
}

async function* events(client: EngineClient, signal: AbortSignal): AsyncIterable<EngineEvent> {
  const path = `/events?filters=${filters({ type: ['network', 'container'], event: actions })}`
  for await (const line of client.lines(path, signal)) {
    const event = schema.eventOf(schema.eventSchema.parse(JSON.parse(line)))
    if (event !== undefined) yield event
  }
}

async function found<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call()
  } catch (error) {
    if (isCode(error, 'not-found')) return undefined
    throw error
  }
}

function filters(map: Record<string, string[]>): string {
  return encodeURIComponent(JSON.stringify(map))
}

function esc(id: string): string {
  return encodeURIComponent(id)
}
