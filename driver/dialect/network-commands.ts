/**
 * `docker network …` for networks of the cluster: the same id on all hosts, driver `overlay`, and no removal
 * while any host uses the network.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { table } from '../cli/table.ts'
import { DriverError, isCode } from '../core/errors.ts'
import type { ListedNetwork } from '../engine/docker-commands.ts'
import { connectFlags, createFlags, forceFlags, inspectFlags, listFlags } from './docker-options.ts'
import type { NetworkView } from './driver-calls.ts'
import { attempts, type NetworkTools } from './make-default-network.ts'
import { createBody } from './network-create-body.ts'
import { type Option, optionsNamed, parseMixed } from './parse-command-line.ts'

export interface DockerTools extends NetworkTools {
  print(text: string): void
  complain(text: string): void
}

/**
 * This host's id of the network whose id in the cluster begins with `word`; undefined when `word` need not
 * change.
 */
export function localIdFor(networks: readonly NetworkView[], word: string): string | undefined {
  if (!/^[0-9a-f]+$/.test(word) || networks.some(({ name }) => name === word)) return undefined
  const [found, another] = networks.filter(({ id }) => id.startsWith(word))
  return another === undefined && found?.localId !== found?.id ? found?.localId : undefined
}

/**
 * As `localIdFor`, for a word that may be a name too: Docker takes the network of exactly that name before
 * one whose id begins with it.
 */
export async function localIdUnlessName(
  networks: readonly NetworkView[],
  word: string,
  { docker }: NetworkTools,
): Promise<string | undefined> {
  const local = localIdFor(networks, word)
  if (local === undefined) return undefined
  const here = await docker.networks({ name: [word] })
  return here.some(({ Name }) => Name === word) ? undefined : local
}

/** `inspect`, `connect`, `disconnect`: the words with this host's ids. Undefined when docker itself should answer. */
export async function withLocalIds(
  command: string,
  words: string[],
  tools: NetworkTools,
): Promise<string[] | undefined> {
  const flags = { inspect: inspectFlags, connect: connectFlags, disconnect: forceFlags }[command]
  if (flags === undefined) return undefined
  const { operands, unknown } = parseMixed(words, flags)
  if (unknown) return undefined
  const { networks } = await tools.calls.clusterNetworks()
  const changed = [...words]
  for (const { word, at } of command === 'inspect' ? operands : operands.slice(0, 1)) {
    changed[at] = (await localIdUnlessName(networks, word, tools)) ?? word
  }
  return changed
}

/** False when docker itself should answer, as for `--format`. */
export async function listNetworks(words: string[], tools: DockerTools): Promise<boolean> {
  const { options, operands, unknown } = parseMixed(words, listFlags)
  const has = (...names: string[]): boolean =>
    optionsNamed(options, ...names).some(({ value }) => value !== 'false')
  if (unknown || operands.length > 0 || has('format')) return false
  const { networks } = await tools.calls.clusterNetworks()
  const filters = filtersOf(options, networks)
  if (filters === undefined) return false
  const here = await tools.docker.networks(filters)
  tools.print(showNetworks(here, networks, { quiet: has('quiet', 'q'), whole: has('no-trunc') }))
  return true
}

function filtersOf(
  options: readonly Option[],
  networks: readonly NetworkView[],
): Record<string, string[]> | undefined {
  const filters: Record<string, string[]> = {}
  for (const { name, value = '' } of options) {
    if (name !== 'filter' && name !== 'f') continue
    const [, key = '', wanted = ''] = /^\s*([^=]+?)\s*=(.*)$/s.exec(value) ?? []
    if (key === '') return undefined
    filters[key] = [...(filters[key] ?? []), filterValue(key, wanted, networks)]
  }
  return filters
}

/** As this host's engine knows it. */
function filterValue(key: string, value: string, networks: readonly NetworkView[]): string {
  if (key === 'driver' && value === 'overlay') return 'vxlan'
  return key === 'id' ? (localIdFor(networks, value) ?? value) : value
}

/** The table that docker prints, with ids and driver of the cluster. */
export function showNetworks(
  here: readonly ListedNetwork[],
  networks: readonly NetworkView[],
  { quiet = false, whole = false }: { quiet?: boolean; whole?: boolean } = {},
): string {
  const cluster = new Map(networks.map(({ id, localId }) => [localId, id]))
  const rows = [...here]
    .sort((a, b) => a.Name.localeCompare(b.Name, 'en', { numeric: true }))
    .map(({ Id, Name, Driver, Scope }) => {
      const id = cluster.get(Id) ?? Id
      return [whole ? id : id.slice(0, 12), Name, cluster.has(Id) ? 'overlay' : Driver, Scope]
    })
  if (quiet) return rows.map(([id]) => id).join('\n')
  return table([['NETWORK ID', 'NAME', 'DRIVER', 'SCOPE'], ...rows], 10)
}

/**
 * True when all are removed; undefined when docker itself should answer. A network of another driver is
 * removed here alone, beside a cluster's network of the same name, and while the driver is away.
 */
export async function removeNetworks(args: string[], tools: DockerTools): Promise<boolean | undefined> {
  const { options, operands, unknown } = parseMixed(args, forceFlags)
  if (unknown || operands.length === 0) return undefined
  const words = operands.map(({ word }) => word)
  const own = new Map(await Promise.all(words.map(async (word) => [word, await ownId(word, tools)] as const)))
  const others = words.filter((word) => own.get(word) === undefined)
  const known = others.length === 0 ? [] : await networksInUse(others, tools).catch(driverError)
  const force = options.length > 0
  let all = true
  for (const word of words) {
    try {
      await tools.docker.removeNetwork(own.get(word) ?? idOfUnused(word, known))
      tools.print(word)
    } catch (error) {
      const refused = driverError(error)
      if (force && isCode(refused, 'not-found')) continue
      tools.complain(refused.line)
      all = false
    }
  }
  return all
}

/** The engine's id of a network that is not the driver's. */
async function ownId(word: string, { docker }: DockerTools): Promise<string | undefined> {
  const here = await docker.network(word)
  return here === undefined || here.Driver === 'vxlan' ? undefined : here.Id
}

/** Throws when a host needs the network, or when the driver could not say which do. */
function idOfUnused(word: string, known: readonly NetworkView[] | DriverError): string {
  if (known instanceof DriverError) throw known
  const network = find(known, word)
  if (network !== undefined) refuseUsed(network)
  return network?.localId ?? word
}

/** Throws what is not an error of the driver's. */
function driverError(error: unknown): DriverError {
  if (error instanceof DriverError) return error
  throw error
}

function find(networks: readonly NetworkView[], word: string): NetworkView | undefined {
  const exact = networks.find(({ id, name, localId }) => name === word || id === word || localId === word)
  if (exact !== undefined || !/^[0-9a-f]+$/.test(word)) return exact
  const [found, another] = networks.filter(
    ({ id, localId = '' }) => id.startsWith(word) || localId.startsWith(word),
  )
  return another === undefined ? found : undefined
}

/** The record of a container that was removed on another host a moment ago ends within some 100 ms. */
const usesEnd = { everyMs: 100, times: 10 }

/** The cluster's networks. Waits up to a second while only stopped containers of other hosts keep one of `words`. */
async function networksInUse(words: readonly string[], { calls }: DockerTools): Promise<NetworkView[]> {
  for (let time = 0; ; time++) {
    const { networks } = await calls.clusterNetworks()
    const found = words.map((word) => find(networks, word)).filter((it) => it !== undefined)
    if (time === usesEnd.times || !found.some(onlyStopped)) return networks
    await delay(usesEnd.everyMs)
  }
}

function onlyStopped({ users, stopped, services }: NetworkView): boolean {
  return users.length === 0 && services.length === 0 && stopped.length > 0
}

/** What needs the network, for people; at most five of each kind. */
function usersOf({ users, stopped, services }: NetworkView): string[] {
  const running = users.map(({ host, container }) =>
    container === undefined
      ? `a container on ${host}`
      : `${container.name} (${container.id.slice(0, 12)}) on ${host}`,
  )
  const idle = stopped.flatMap(({ host, names }) => names.map((name) => `${name} (not running) on ${host}`))
  return [...running, ...idle, ...services.map((name) => `service ${name}`)]
}

function refuseUsed(network: NetworkView): void {
  const all = usersOf(network)
  if (all.length === 0) return
  const shown = all.slice(0, 5)
  const rest = all.length > shown.length ? ` and ${all.length - shown.length} more` : ''
  const message = `network ${network.name ?? network.id.slice(0, 12)} is used by ${shown.join(', ')}${rest}`
  throw new DriverError('in-use', message, { hint: hintFor(network) })
}

function hintFor({ users, stopped }: NetworkView): string {
  if (users.length > 0)
    return 'stop these containers, or disconnect them (docker network disconnect), then remove it'
  if (stopped.length === 0) return 'unpublish these services (docker service unpublish), then remove it'
  return "remove these containers, then remove it; 'multihost host rm NAME' takes out a host that does not come back"
}

/** `network create -d overlay`. False when docker itself should make the network. */
export async function createNetwork(words: string[], tools: DockerTools): Promise<boolean> {
  const { options, operands, unknown } = parseMixed(words, createFlags)
  const given = (...names: string[]) => optionsNamed(options, ...names)
  const driver = given('driver', 'd').at(-1)?.value ?? ''
  const [operand] = operands
  if (unknown || operands.length !== 1 || operand === undefined) return false
  if (!['overlay', 'vxlan'].includes(driver)) return false
  // The command is complete: docker understands it today.
  if (driver === 'vxlan' && given('ipam-driver').length > 0) return false
  const chooses = !given('subnet').some(({ value = '' }) => !value.includes(':'))
  const body = (pool?: string) => createBody(operand.word, options, pool)
  if (body() === undefined) return false
  await refuseTaken(operand.word, tools)
  const make = (pool?: string) => tools.docker.createNetwork(body(pool) ?? {})
  const id = chooses ? await onSomePool(make, tools) : await make()
  await printWinner(id, operand.word, tools)
  return true
}

async function refuseTaken(name: string, tools: DockerTools): Promise<void> {
  const taken = (await tools.calls.clusterNetworks()).networks.find((it) => it.name === name)
  if (taken === undefined) return
  throw new DriverError('taken', `network with name ${name} already exists`, {
    hint: `it is ${taken.id.slice(0, 12)} on all hosts; remove it first, or choose another name`,
  })
}

async function onSomePool(make: (pool: string) => Promise<string>, tools: DockerTools): Promise<string> {
  const refused: string[] = []
  for (;;) {
    const pool = await tools.calls.choosePool(refused)
    try {
      return await make(pool)
    } catch (error) {
      refused.push(pool)
      const { claimed } = await tools.calls.clusterNetworks()
      // Another pool helps only when another host took this one meanwhile.
      if (!claimed.includes(pool) || refused.length === attempts) throw error
    }
  }
}

/** The engine has made the network. It is the cluster's if this host was the first to claim its name in the store. */
async function printWinner(id: string, name: string, tools: DockerTools): Promise<void> {
  const ready = await tools.calls.waitForNetwork(name)
  if (ready !== undefined && ready.id !== id) {
    throw new DriverError('taken', `another host made network ${name} at the same moment, and was first`, {
      hint: `all hosts have ${ready.id.slice(0, 12)} now; the network of this command is removed`,
    })
  }
  tools.print(id)
  if (ready !== undefined) return
  tools.complain(`network ${name} is not known to the other hosts yet; see 'multihost status'`)
}
