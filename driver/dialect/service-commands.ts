/**
 * `multihost service`: what `docker service` was in Docker 1.8, with its columns and its words.
 *
 * The driver keeps the records; this command connects and disconnects the container, with the rights of the
 * user who typed it.
 */
import { parsedArgs } from '../cli/parsed-args.ts'
import { table } from '../cli/table.ts'
import { DriverError, isCode } from '../core/errors.ts'
import type { ServiceView } from '../core/services.ts'
import type { DockerCommands, ListedContainer } from '../engine/docker-commands.ts'
import type { NetworkTools } from './make-default-network.ts'

export const serviceHelp = `services: names with a fixed address; a service has at most one container in the whole cluster

  service ls [--network NETWORK] [-q] [--no-trunc]
  service info SERVICE[.NETWORK]
  service publish SERVICE[.NETWORK]
  service unpublish SERVICE[.NETWORK]
  service attach CONTAINER SERVICE[.NETWORK]
  service detach CONTAINER SERVICE[.NETWORK]

Without .NETWORK the service is on the default network. The beginning of a service's id names the service, too.
`

export interface ServiceTools extends NetworkTools {
  print(text: string): void
}

/** What each command takes. */
const operandsOf: Record<string, string[]> = {
  ls: [],
  info: ['SERVICE[.NETWORK]'],
  publish: ['SERVICE[.NETWORK]'],
  unpublish: ['SERVICE[.NETWORK]'],
  attach: ['CONTAINER', 'SERVICE[.NETWORK]'],
  detach: ['CONTAINER', 'SERVICE[.NETWORK]'],
}

export async function serviceCommand(args: string[], tools: ServiceTools): Promise<void> {
  const { calls, print } = tools
  const { values, positionals } = parse(args)
  const [command, ...rest] = positionals
  if (command === undefined || values.help) return print(serviceHelp)
  const [first = '', second = ''] = checkOperands(command, rest)
  switch (command) {
    case 'ls': {
      const services = await calls.services.list(values.network)
      return print(showServices(services, { quiet: values.quiet, whole: values['no-trunc'] }))
    }
    case 'info':
      return print(showService(await calls.services.find(first)))
    case 'publish':
      return print((await calls.services.publish(first)).id)
    case 'unpublish':
      return calls.services.unpublish(first)
    case 'attach':
      return attach(tools, first, second)
    default:
      return detach(tools, first, second)
  }
}

function parse(args: string[]) {
  const options = {
    network: { type: 'string' },
    net: { type: 'string' },
    quiet: { type: 'boolean', short: 'q', default: false },
    'no-trunc': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  } as const
  const config = { args, options, allowPositionals: true }
  const { values, positionals } = parsedArgs(config, "see 'multihost service --help'")
  return { values: { ...values, network: values.network ?? values.net }, positionals }
}

function checkOperands(command: string, operands: string[]): string[] {
  const wanted = operandsOf[command]
  if (wanted === undefined) {
    throw new DriverError('invalid', `there is no command 'service ${command}'`, {
      hint: `there are ${Object.keys(operandsOf).join(', ')}; Swarm's own services need swarm mode`,
    })
  }
  if (operands.length === wanted.length && !operands.includes('')) return operands
  const takes = wanted.length === 0 ? 'no names' : wanted.join(' ')
  const got = operands.length === 0 ? 'nothing' : `'${operands.join(' ')}'`
  throw new DriverError('invalid', `'service ${command}' takes ${takes}, not ${got}`, {
    hint: `use: ${['service', command, ...wanted].join(' ')}`,
  })
}

async function attach({ calls, docker }: ServiceTools, ref: string, name: string): Promise<void> {
  const found = await docker.container(ref)
  const { id, name: container, networks } = found
  await refuseConfigured(found, await calls.services.find(name), docker)
  const { localId, service } = await calls.services.attach(name, { id, name: container })
  // The engine connects a container of the network `none` to no other network.
  const isOnNone = networks.some((at) => at.name === 'none')
  try {
    if (isOnNone) await docker.disconnect('none', id)
    await docker.connect(localId, id, service)
  } catch (error) {
    // Both are tried; the user learns why the attach failed.
    await calls.services.giveUp(name).catch(() => 'the service is free after half a minute')
    if (isOnNone) await docker.connect('none', id).catch(() => 'the container stays without a network')
    throw isCode(error, 'in-use') ? onNetworkAlready(error.message, container, service, error) : error
  }
  // A container that runs has its endpoint, which has ended the attach.
  await calls.services
    .finished(name)
    .catch(() => 'the container is attached; it must start before the former one')
}

/**
 * For a container that does not run and has the network already, the engine answers a connect with success
 * and keeps the configuration that it has (moby v28.5.2, daemon/container_operations.go,
 * updateNetworkSettings). That is enough where it has the service's addresses: the container was attached
 * before. An entry of an earlier network of that name is replaced.
 */
async function refuseConfigured(
  { networks, name: container }: ListedContainer,
  service: ServiceView,
  docker: DockerCommands,
): Promise<void> {
  const at = networks.find((it) => it.name === service.network.name)
  const hasAddresses = at?.v4 === service.v4 && (service.v6 === undefined || at.v6 === service.v6)
  // A service that is a container's name is refused by the driver, with another hint.
  if (at === undefined || hasAddresses || !service.published) return
  if (at.id !== '' && at.id !== (await docker.network(at.name))?.Id) return
  const { name, network } = service
  const message = `container ${container} does not have the address of service ${name}.${network.name}`
  throw onNetworkAlready(message, container, service)
}

function onNetworkAlready(
  message: string,
  container: string,
  { network }: ServiceView,
  cause?: unknown,
): DriverError {
  return new DriverError('in-use', message, {
    hint: `if ${container} is on network ${network.name} already, first: docker network disconnect ${network.name} ${container}`,
    cause,
  })
}

async function detach({ calls, docker }: ServiceTools, ref: string, name: string): Promise<void> {
  const known = await docker.container(ref).catch((error: unknown) => {
    if (isCode(error, 'not-found')) return undefined
    throw error
  })
  const { localId, service, container } = await calls.services.attached(name, known?.id ?? ref)
  await docker.disconnect(localId, container)
  if (service.published) await calls.services.detached(name)
}

/** Columns of twenty characters, as in 2015. */
function showServices(
  services: readonly ServiceView[],
  { quiet, whole }: { quiet: boolean; whole: boolean },
): string {
  const short = (id: string): string => (whole ? id : id.slice(0, 12))
  if (quiet) return services.map(({ id }) => short(id)).join('\n')
  const rows = services.map(({ id, name, network, backend }) => {
    return [short(id), name, network.name, short(backend?.container?.id ?? '')]
  })
  return table([['SERVICE ID', 'NAME', 'NETWORK', 'CONTAINER'], ...rows], 20)
}

function showService({ id, name, network, v4, v6, backend }: ServiceView): string {
  const container = backend?.container
  return [
    `Service Id: ${id}`,
    `\tName: ${name}`,
    `\tNetwork: ${network.name}`,
    `\tAddress: ${v6 === undefined ? v4 : `${v4}, ${v6}`}`,
    `\tContainer: ${container === undefined ? '' : `${container.id.slice(0, 12)} (${container.name})`}`,
    `\tHost: ${backend?.host ?? ''}`,
  ].join('\n')
}
