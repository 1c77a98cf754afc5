/**
 * The device and address of this host's VTEP. Without `--bind-interface` it is the interface that leads to
 * the store, since every host reaches the store.
 *
 * Connecting a UDP socket to the store sends nothing and gives the socket its local address. A store on this
 * very host has a loopback address: then `--bind-interface` is needed.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import {
  canCarry,
  chooseVtep,
  firstVtep,
  type HostAddress,
  type KnownVtep,
  mayReplace,
  type VtepChoice,
} from '../core/datapath/vtep-choice.ts'
import { asDriverError, DriverError } from '../core/errors.ts'
import type { Ip } from '../core/records.ts'
import type { Kernel, Underlay } from '../kernel/kernel.ts'
import type { Log } from '../log.ts'
import { createRunAgain } from '../loops/kit/run-again.ts'
import { bareHost, parseStoreUrl, type Server } from '../store/consul/url.ts'
import { createListeners } from '../store/listeners.ts'
import { singleFlight } from '../store/single-flight.ts'

/** What stands at the VTEP's interface, and the address that leads to the store where another interface has it. */
export interface FoundUnderlay extends Underlay {
  towardsStore?: Pick<Underlay, 'device' | 'address'>
}

/** `known`: the VTEP so far. */
export type FindUnderlay = (known?: KnownVtep) => Promise<FoundUnderlay>

/** How long an address must stand beside a missing VTEP before it takes its place. */
const missingForMs = 10_000
/** While the VTEP is missing. */
const lookAgainMs = 2000

interface FinderOptions {
  bindInterface?: string | undefined
  kvStore?: string | undefined
}

/**
 * Finds the underlay each time that the function is called. The known VTEP stays while an interface has it: a
 * further address, as of keepalived, or another route to the store moves no tunnel. Throws `unavailable`
 * while it is missing, `unavailable` or `invalid` where no interface is found.
 */
export function underlayFinder(
  kernel: Pick<Kernel, 'addresses'>,
  { bindInterface, kvStore }: FinderOptions,
  { now = () => performance.now(), towards = ownAddressTowards } = {},
): FindUnderlay {
  // Another server may be reached by another interface: the one that was found first shows the way for good.
  let servers = kvStore === undefined ? [] : parseStoreUrl(kvStore).servers
  let waiting: { pair: string; since: number } | undefined
  const towardsStore = async (): Promise<Ip> => {
    const { address, server } = await towards(servers)
    servers = [server]
    return address
  }
  return async (known) => {
    const before = waiting
    if (known !== undefined) waiting = undefined
    const addresses = await kernel.addresses()
    const choice =
      bindInterface === undefined
        ? await choiceByRoute(addresses, towardsStore, known)
        : chooseVtep(addresses, bindInterface, known)
    if (choice.is === 'found') return placeOf(choice)
    const { next } = choice
    if (next === undefined) throw missing(known, next)
    const pair = `${known?.address} ${next.address}`
    const since = before?.pair === pair ? before.since : now()
    if (now() - since >= missingForMs) return placeOf({ address: next })
    waiting = { pair, since }
    throw missing(known, next)
  }
}

interface Found {
  is: 'found'
  address: HostAddress
  towardsStore?: HostAddress | undefined
}

function placeOf({ address: at, towardsStore: other }: Omit<Found, 'is'>): FoundUnderlay {
  const { device, address, mtuBytes } = at
  if (other === undefined) return { device, address, mtuBytes }
  return { device, address, mtuBytes, towardsStore: { device: other.device, address: other.address } }
}

/** Without --bind-interface. A known VTEP that is there needs no route. */
async function choiceByRoute(
  addresses: readonly HostAddress[],
  towardsStore: () => Promise<Ip>,
  known: KnownVtep | undefined,
): Promise<Found | Exclude<VtepChoice, Found>> {
  const kept = addresses.find((it) => canCarry(it) && it.address === known?.address)
  const route = towardsStore().then((address) => firstVtep(addresses, address))
  if (kept !== undefined) {
    const other = await route.catch(() => undefined)
    return { is: 'found', address: kept, towardsStore: other?.device === kept.device ? undefined : other }
  }
  const next = await route
  if (known === undefined) return { is: 'found', address: next }
  return { is: 'missing', next: mayReplace(next, known) ? next : undefined }
}

function missing(known: KnownVtep | undefined, next: HostAddress | undefined): DriverError {
  const hint =
    next === undefined
      ? 'no address takes its place by itself: that must be one of the same interface and family, and no /32, /128 or temporary one; give the interface its address again, or name another one with --bind-interface=ADDRESS'
      : `${next.address} on ${next.device} takes its place after ${missingForMs / 1000} s`
  const found = `this host's VTEP ${known?.address} is on no interface that may have it`
  return new DriverError('unavailable', found, { hint })
}

/** Follows the VTEP's device and address. Keeps the last ones while they cannot be found. */
export function watchUnderlay(
  { underlay }: { underlay: Underlay },
  { findUnderlay, log, everyMs }: WatchOptions,
): UnderlayWatch {
  let now: FoundUnderlay = underlay
  let failure: { since: number; last: DriverError } | undefined
  const changes = createListeners<[]>((err) => log.error({ err }, 'a listener of the underlay failed'))
  const look = singleFlight(async (): Promise<void> => {
    try {
      const before = now
      now = await findUnderlay(before)
      failure = undefined
      if (!isDeepStrictEqual(now, before)) changes.notify()
    } catch (err) {
      failure = { since: failure?.since ?? performance.now(), last: asDriverError(err) }
      log.debug({ err }, 'the underlay cannot be found at this moment, kept as it was')
      again.after(Math.min(lookAgainMs, everyMs))
    }
  })
  const again = createRunAgain(() => void look())
  const timer = setInterval(look, everyMs)
  return {
    now: () => now,
    problem() {
      if (failure === undefined) return otherRoute(now)
      if (performance.now() - failure.since < 2 * everyMs) return undefined
      const goesOn = `the driver goes on with ${now.address}, and a restart waits until the interface is found`
      return `the interface of the VTEP is not found: ${failure.last.line}; ${goesOn}`
    },
    look: () => void look(),
    onChange: (listener) => void changes.add(listener),
    close() {
      clearInterval(timer)
      again.cancel()
    },
  }
}

function otherRoute({ address, device, towardsStore: other }: FoundUnderlay): string | undefined {
  if (other === undefined) return undefined
  return `${other.address} on ${other.device} leads to the store; the VTEP stays ${address} on ${device} while the interface has it; choose one with --bind-interface, by name or by CIDR`
}

export interface UnderlayWatch {
  now(): Underlay
  /**
   * As a sentence, when it has not been found for two intervals, or another interface leads to the store.
   */
  problem(): string | undefined
  /** An MTU that falls makes other hosts' packets too long: a change is looked at at once. */
  look(): void
  onChange(listener: () => void): void
  close(): void
}

export interface WatchOptions {
  findUnderlay: FindUnderlay
  log: Log
  everyMs: number
}

/** Of several servers, the first one that a route leads to and that is on another host. */
async function ownAddressTowards(servers: readonly Server[]): Promise<{ address: Ip; server: Server }> {
  if (servers.length === 0) throw noRoute('without a store no interface leads to it')
  const failures: DriverError[] = []
  for (const server of servers) {
    const target = bareHost(server)
    try {
      return { address: await addressTowards(target, server.port), server }
    } catch (error) {
      failures.push(noRoute((error as Error).message, error))
    }
  }
  throw failures[0]
}

/** Throws when no route leads there, or the target is on this host. */
async function addressTowards(target: string, port: number): Promise<Ip> {
  const socket = createSocket(isIPv6(target) ? 'udp6' : 'udp4')
  try {
    socket.connect(port, target)
    await once(socket, 'connect')
    const { address } = socket.address()
    if (!address.startsWith('127.') && address !== '::1') return address
  } catch (cause) {
    throw new Error(`no route leads to the store at ${target}: ${(cause as Error).message}`, { cause })
  } finally {
    socket.close()
  }
  throw new Error(`the store at ${target} is on this host`)
}

function noRoute(message: string, cause?: unknown): DriverError {
  const hint = 'name the interface of the VTEP with --bind-interface, by name or by CIDR'
  return new DriverError('unavailable', message, { hint, cause })
}
