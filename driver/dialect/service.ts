/**
 * `multihost service`: what `docker service` was in Docker 1.8, with its columns and its words.
 *
 * The driver keeps the records; this command connects and disconnects the container, through the engine and as the
 * user who typed it.
 */
import { parseArgs } from 'node:util'
import { table } from '../cli/table.ts'
import { ask } from '../control/client.ts'
import { DriverError, isCode } from '../core/errors.ts'
import type { ServiceView } from '../core/services.ts'
import type { Dockerd } from './dockerd.ts'
import type { Attachment } from './routes.ts'

export const serviceHelp = `services: names with an address that stays, and one container behind each in the cluster

  service ls [--network NETWORK] [-q] [--no-trunc]
  service info SERVICE[.NETWORK]
  service publish SERVICE[.NETWORK]
  service unpublish SERVICE[.NETWORK]
  service attach CONTAINER SERVICE[.NETWORK]
  service detach CONTAINER SERVICE[.NETWORK]

A service that is published can be named by the beginning of its id too. Without .NETWORK it is on the default network.
`

export interface ServiceTools {
  controlSocket: string
  dockerd: Dockerd
  print(text: string): void
}

const counts: Record<string, string[]> = {
  ls: [],
  info: ['SERVICE[.NETWORK]'],
  publish: ['SERVICE[.NETWORK]'],
  unpublish: ['SERVICE[.NETWORK]'],
  attach: ['CONTAINER', 'SERVICE[.NETWORK]'],
  detach: ['CONTAINER', 'SERVICE[.NETWORK]'],
}

export async function service(args: string[], tools: ServiceTools): Promise<void> {
  const { print } = tools
  const { values, positionals } = parse(args)
  const [command, ...rest] = positionals
  if (command === undefined || values.help) return print(serviceHelp)
  const [first = '', second = ''] = checkOperands(command, rest)
  switch (command) {
    case 'ls': {
      const query = values.network === undefined ? '' : `?network=${encodeURIComponent(values.network)}`
      const services = await ask<ServiceView[]>(tools.controlSocket, 'GET', `/services${query}`)
      return print(showServices(services, { quiet: values.quiet, whole: values['no-trunc'] }))
    }
    case 'info':
      return print(showService(await ask<ServiceView>(tools.controlSocket, 'GET', path(first))))
    case 'publish': {
      const body = { name: first }
      return print((await ask<ServiceView>(tools.controlSocket, 'POST', '/services', body)).id)
    }
    case 'unpublish':
      return ask(tools.controlSocket, 'DELETE', path(first))
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
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
    return { values: { ...values, network: values.network ?? values.net }, positionals }
  } catch (cause) {
    const message = (cause as Error).message.split('. ')[0] ?? ''
    throw new DriverError('invalid', message, { hint: "see 'multihost service --help'", cause })
  }
}

function checkOperands(command: string, operands: string[]): string[] {
  const wanted = counts[command]
  if (wanted === undefined) {
    throw new DriverError('invalid', `there is no command 'service ${command}'`, {
      hint: `there are ${Object.keys(counts).join(', ')}; Swarm's own services need swarm mode`,
    })
  }
  if (operands.length === wanted.length && !operands.includes('')) return operands
  const takes = wanted.length === 0 ? 'no names' : wanted.join(' ')
  const got = operands.length === 0 ? 'nothing' : `'${operands.join(' ')}'`
  throw new DriverError('invalid', `'service ${command}' takes ${takes}, not ${got}`, {
    hint: `use: ${['service', command, ...wanted].join(' ')}`,
  })
}

async function attach({ controlSocket, dockerd }: ServiceTools, ref: string, name: string): Promise<void> {
  const { id, name: container, networks } = await dockerd.container(ref)
  const body = { container: { id, name: container } }
  const { localId, service } = await ask<Attachment>(controlSocket, 'POST', path(name, 'attach'), body)
  // The engine connects a container of the network none to nothing else.
  const lonely = networks.includes('none')
  try {
    if (lonely) await dockerd.disconnect('none', id)
    await dockerd.connect(localId, id, service)
  } catch (error) {
    if (lonely) await dockerd.connect('none', id)
    await ask(controlSocket, 'POST', path(name, 'give-up'))
    throw isCode(error, 'in-use') ? onNetworkAlready(error, container, service) : error
  }
}

function onNetworkAlready(error: DriverError, container: string, { network }: ServiceView): DriverError {
  return new DriverError('in-use', error.message, {
    hint: `if ${container} is on network ${network.name} already, first: docker network disconnect ${network.name} ${container}`,
    cause: error,
  })
}

async function detach({ controlSocket, dockerd }: ServiceTools, ref: string, name: string): Promise<void> {
  const known = await dockerd.container(ref).catch((error: unknown) => {
    if (isCode(error, 'not-found')) return undefined
    throw error
  })
  type Attached = Attachment & { container: string }
  const body = { container: known?.id ?? ref }
  const { localId, service, container } = await ask<Attached>(
    controlSocket,
    'POST',
    path(name, 'attached'),
    body,
  )
  await dockerd.disconnect(localId, container)
  if (service.published) await ask(controlSocket, 'POST', path(name, 'detached'))
}

/** As in 2015: columns of twenty. */
export function showServices(
  services: readonly ServiceView[],
  { quiet = false, whole = false }: { quiet?: boolean; whole?: boolean } = {},
): string {
  const short = (id: string): string => (whole ? id : id.slice(0, 12))
  if (quiet) return services.map(({ id }) => short(id)).join('\n')
  const rows = services.map(({ id, name, network, backend }) => {
    return [short(id), name, network.name, short(backend?.container?.id ?? '')]
  })
  return table([['SERVICE ID', 'NAME', 'NETWORK', 'CONTAINER'], ...rows], 20)
}

export function showService({ id, name, network, v4, v6, backend }: ServiceView): string {
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

function path(name: string, action?: string): string {
  return `/services/${encodeURIComponent(name)}${action === undefined ? '' : `/${action}`}`
}
