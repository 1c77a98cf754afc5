/**
 * The device and address of this host's VTEP. Without `--bind-interface` it is the interface that leads to
 * the store, since every host reaches the store.
 *
 * Connecting a UDP socket to the store sends nothing and gives the socket its local address. A store on this
 * very host has a loopback address: then `--bind-interface` is needed.
 */
import { createSocket } from 'node:dgram'
import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import {
  canCarry,
  chooseVtep,
  firstByRoute,
  type HostAddress,
  homeAmong,
  isWhole,
  type KnownVtep,
  type Substitute,
  substituteByRoute,
  substituteOn,
  type VtepChoice,
} from '../core/datapath/vtep-choice.ts'
import { asDriverError, DriverError, isCode } from '../core/errors.ts'
import type { Ip } from '../core/records.ts'
import type { Kernel, Underlay } from '../kernel/kernel.ts'
import type { Log } from '../log.ts'
import { createRunAgain } from '../loops/kit/run-again.ts'
import { bareHost, parseStoreUrl, type Server } from '../store/consul/url.ts'
import { createListeners } from '../store/listeners.ts'
import { singleFlight } from '../store/single-flight.ts'

/** What stands at the VTEP's interface, and the address that leads to the store where another interface has it. */
export interface FoundUnderlay extends Underlay, Pick<KnownVtep, 'isWhole' | 'isInTunnel' | 'home'> {
  towardsStore?: Pick<Underlay, 'device' | 'address'>
}

/** What one caller's looks leave for its next one. */
export interface Looks {
  /** The missing VTEP with the address beside it. */
  waiting?: { pair: string; since: number } | undefined
}

/** `known`: the VTEP so far. `looks`: the caller's own. */
export type FindUnderlay = (known?: KnownVtep, looks?: Looks) => Promise<FoundUnderlay>

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
  {
    now = () => performance.now(),
    lookup = allAddresses,
    towards = towardsBy(lookup),
    isInUse = isInterfaceInUse,
  } = {},
): FindUnderlay {
  // Another server may be reached by another interface: the one that was found first shows the way for good.
  let servers = kvStore === undefined ? [] : parseStoreUrl(kvStore).servers
  const towardsStore = async (): Promise<Ip> => {
    const { address, server } = await towards(servers)
    servers = [server]
    return address
  }
  const choose = async (addresses: readonly HostAddress[], known?: KnownVtep): Promise<Choice> => {
    if (bindInterface !== undefined) return chooseVtep(addresses, bindInterface, known)
    return choiceByRoute(addresses, { towardsStore, isInUse }, known)
  }
  return async (known, looks = {}) => {
    const addresses = await kernel.addresses()
    const choice = await choose(addresses, known).catch((error: unknown) => {
      // No address stands beside the missing VTEP. A name that is not resolved for a moment tells nothing.
      if (isCode(error, 'invalid')) looks.waiting = undefined
      throw error
    })
    if (choice.is === 'found') {
      if (known !== undefined) looks.waiting = undefined
      const home = choice.address.address === known?.address ? known.home : undefined
      return placeOf(choice.address, { home, towardsStore: choice.towardsStore })
    }
    const missing = known as KnownVtep
    if (choice.next !== undefined && hasStood(looks, missing, choice.next, now()))
      return placeOf(choice.next.address, { home: missing.home ?? missing.address })
    if (choice.next !== undefined) throw missingWith(missing, willTake(choice.next))
    looks.waiting = undefined
    const atStart = await choose(addresses, { address: missing.address }).catch(() => undefined)
    throw missingWith(missing, nothingTakesItsPlace(atStart))
  }
}

/** Starts the time anew for another pair. The pair stays, since a start may need its substitute again. */
function hasStood(
  looks: Looks,
  known: KnownVtep,
  { address: at, afterMs }: Substitute,
  now: number,
): boolean {
  const pair = `${known.address} ${at.address} on ${at.device}`
  if (looks.waiting?.pair !== pair) looks.waiting = { pair, since: now }
  return now - looks.waiting.since >= afterMs
}

type Choice = VtepChoice & { towardsStore?: HostAddress | undefined }

function placeOf(
  at: HostAddress,
  { home, towardsStore: other }: { home?: Ip | undefined; towardsStore?: HostAddress | undefined },
): FoundUnderlay {
  const { device, address, mtuBytes } = at
  return {
    ...{ device, address, mtuBytes },
    ...(isWhole(at) && { isWhole: true }),
    ...(at.isInTunnel && { isInTunnel: true }),
    ...(home !== undefined && { home }),
    ...(other !== undefined && { towardsStore: { device: other.device, address: other.address } }),
  }
}

interface Ways {
  towardsStore(): Promise<Ip>
  isInUse(device: string): boolean
}

/** Without --bind-interface. A known VTEP that is there needs no route, nor does one whose interface is in use. */
async function choiceByRoute(
  addresses: readonly HostAddress[],
  { towardsStore, isInUse }: Ways,
  known: KnownVtep | undefined,
): Promise<Choice> {
  const towards = towardsStore().then((address) => firstByRoute(addresses, address))
  const route = await towards.catch(() => undefined)
  const there = (wanted?: Ip) => addresses.find((it) => canCarry(it) && it.address === wanted)
  const home = homeAmong(addresses, known)
  if (home !== undefined && home.device === route?.device) return { is: 'found', address: home }
  const kept = there(known?.address)
  if (kept !== undefined) {
    return { is: 'found', address: kept, towardsStore: route?.device === kept.device ? undefined : route }
  }
  if (known?.device !== undefined && isInUse(known.device))
    return { is: 'missing', next: substituteOn(addresses, known.device, known) }
  const next = await towards
  if (known === undefined) return { is: 'found', address: next }
  return { is: 'missing', next: substituteByRoute(addresses, next, known) }
}

/** A port of a bridge or of a bond has no addresses: those are the bridge's. */
function isInterfaceInUse(device: string): boolean {
  const folder = `/sys/class/net/${device}`
  return existsSync(folder) && !['brport', 'bonding_slave'].some((part) => existsSync(`${folder}/${part}`))
}

/** Says what becomes of the VTEP, also at a restart. */
class VtepMissing extends DriverError {}

function missingWith({ address }: KnownVtep, hint: string): DriverError {
  return new VtepMissing('unavailable', `this host's VTEP ${address} is on no interface that may have it`, {
    hint,
  })
}

function willTake({ address: { address, device }, afterMs }: Substitute): string {
  return `${address} on ${device} takes its place after ${afterMs / 1000} s`
}

function nothingTakesItsPlace(atStart: Choice | undefined): string {
  const next = atStart?.is === 'missing' ? atStart.next : atStart && { address: atStart.address, afterMs: 0 }
  const restart =
    next === undefined
      ? 'a restart waits too'
      : `after a restart of the driver, ${next.address.address} on ${next.address.device} takes its place after ${next.afterMs / 1000} s`
  return `no address takes its place by itself: that must be one of the same interface and family, and no /32, /128 or temporary one; ${restart}; give the interface its address again, or name another one with --bind-interface=ADDRESS`
}

/** Follows the VTEP's device and address. Keeps the last ones while they cannot be found. */
export function watchUnderlay(
  { underlay }: { underlay: Underlay },
  { findUnderlay, log, everyMs }: WatchOptions,
): UnderlayWatch {
  let now: FoundUnderlay = underlay
  let failure: { since: number; last: DriverError } | undefined
  let closed = false
  const looks: Looks = {}
  const changes = createListeners<[]>((err) => log.error({ err }, 'a listener of the underlay failed'))
  const look = singleFlight(async (): Promise<void> => {
    try {
      const before = now
      now = await findUnderlay(before, looks)
      failure = undefined
      if (!closed && !isDeepStrictEqual(now, before)) changes.notify()
    } catch (err) {
      failure = { since: failure?.since ?? performance.now(), last: asDriverError(err) }
      log.debug({ err }, 'the underlay cannot be found at this moment, kept as it was')
      if (!closed) again.after(Math.min(lookAgainMs, everyMs))
    }
  })
  const again = createRunAgain(() => void look())
  const timer = setInterval(look, everyMs)
  return {
    now: () => now,
    problem() {
      if (failure === undefined) return otherRoute(now)
      if (performance.now() - failure.since < 2 * everyMs) return undefined
      const { last } = failure
      const restart = last instanceof VtepMissing ? '' : ', and a restart waits until the interface is found'
      return `the interface of the VTEP is not found: ${last.line}; the driver goes on with ${now.address}${restart}`
    },
    look: () => void look(),
    onChange: (listener) => void changes.add(listener),
    close() {
      closed = true
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

type Lookup = (name: string) => Promise<readonly LookupAddress[]>

const allAddresses: Lookup = (name) => lookup(name, { all: true })

/** Of several servers, the first one that a route leads to and that is on another host. */
function towardsBy(addressesOf: Lookup) {
  return async (servers: readonly Server[]): Promise<{ address: Ip; server: Server }> => {
    if (servers.length === 0) throw noRoute('without a store no interface leads to it')
    return firstOf(servers, async (server) => {
      const target = bareHost(server)
      const addresses = await addressesOf(target).catch((cause) => {
        throw unreachable(target, cause)
      })
      // A name may have both families, and the hosts of a cluster need VTEPs of one.
      const ipv4First = addresses.toSorted((a, b) => a.family - b.family)
      const address = await firstOf(ipv4First, (at) => addressTowards(target, at, server.port))
      return { address, server }
    })
  }
}

/** The first success. Throws the first failure. */
async function firstOf<T, R>(all: readonly T[], attempt: (each: T) => Promise<R>): Promise<R> {
  const failures: unknown[] = []
  for (const each of all) {
    try {
      return await attempt(each)
    } catch (error) {
      failures.push(error)
    }
  }
  throw failures[0]
}

/** Throws when no route leads there, or the target is on this host. */
async function addressTowards(target: string, at: LookupAddress, port: number): Promise<Ip> {
  const socket = createSocket(at.family === 6 ? 'udp6' : 'udp4')
  try {
    socket.connect(port, at.address)
    await once(socket, 'connect')
    const { address } = socket.address()
    if (!address.startsWith('127.') && address !== '::1') return address
  } catch (cause) {
    throw unreachable(target, cause)
  } finally {
    socket.close()
  }
  throw noRoute(`the store at ${target} is on this host`)
}

function unreachable(target: string, cause: unknown): DriverError {
  return noRoute(`no route leads to the store at ${target}: ${(cause as Error).message}`, cause)
}

function noRoute(message: string, cause?: unknown): DriverError {
  const hint = 'name the interface of the VTEP with --bind-interface, by name or by CIDR'
  return new DriverError('unavailable', message, { hint, cause })
}
