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
import { asDriverError, DriverError } from '../core/errors.ts'
import type { Ip } from '../core/records.ts'
import type { Kernel, Underlay } from '../kernel/kernel.ts'
import type { Log } from '../log.ts'
import { bareHost, parseStoreUrl, type Server } from '../store/consul/url.ts'
import { createListeners } from '../store/listeners.ts'
import { singleFlight } from '../store/single-flight.ts'

/**
 * Finds the underlay each time that the function is called. The address in use stays while the interface has
 * it: a further one, as of keepalived, moves no tunnel. Throws `unavailable`.
 */
export function underlayFinder(
  kernel: Pick<Kernel, 'underlay'>,
  { bindInterface, kvStore }: { bindInterface?: string; kvStore: string },
): FindUnderlay {
  // Another server may be reached by another interface: the one that was found first shows the way for good.
  let servers = parseStoreUrl(kvStore).servers
  return async (inUse) => {
    if (bindInterface !== undefined) return kernel.underlay(bindInterface, inUse)
    const { address, server } = await ownAddressTowards(servers)
    servers = [server]
    const found = await kernel.underlay(address)
    if (inUse === undefined || inUse === address) return found
    const sticky = await kernel.underlay(found.device, inUse)
    return sticky.address === inUse ? sticky : found
  }
}

/** `inUse`: the VTEP's address so far. */
export type FindUnderlay = (inUse?: Ip) => Promise<Underlay>

/** Follows the VTEP's device and address. Keeps the last ones while they cannot be found. */
export function watchUnderlay(
  { underlay }: { underlay: Underlay },
  { findUnderlay, log, everyMs }: WatchOptions,
): UnderlayWatch {
  let now = underlay
  let failure: { since: number; last: DriverError } | undefined
  const changes = createListeners<[]>((err) => log.error({ err }, 'a listener of the underlay failed'))
  const look = singleFlight(async (): Promise<void> => {
    try {
      const before = now
      now = await findUnderlay(before.address)
      failure = undefined
      if (!isDeepStrictEqual(now, before)) changes.notify()
    } catch (err) {
      failure = { since: failure?.since ?? performance.now(), last: asDriverError(err) }
      log.debug({ err }, 'the underlay cannot be found at this moment, kept as it was')
    }
  })
  const timer = setInterval(look, everyMs)
  return {
    now: () => now,
    problem() {
      if (failure === undefined || performance.now() - failure.since < 2 * everyMs) return undefined
      const goesOn = `the driver goes on with ${now.address}, and a restart waits until the interface is found`
      return `the interface of the VTEP is not found: ${failure.last.line}; ${goesOn}`
    },
    look: () => void look(),
    onChange: (listener) => void changes.add(listener),
    close: () => clearInterval(timer),
  }
}

export interface UnderlayWatch {
  now(): Underlay
  /** As a sentence, when it has not been found for two intervals. */
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
