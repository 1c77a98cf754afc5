/**
 * Which interface the tunnels leave by, when nobody said so: the one that leads to the store, which all hosts reach.
 *
 * A UDP socket is connected, which sends nothing, and asked for its own address. With the store on this very host
 * that is loopback, and the option is needed.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { DriverError, isCode } from '../core/errors.ts'
import type { Ip } from '../core/records.ts'
import type { Kernel, Underlay } from '../kernel/kernel.ts'
import type { Log } from '../log.ts'
import { parseStoreUrl } from '../store/consul/url.ts'

export async function findUnderlay(
  kernel: Pick<Kernel, 'underlay'>,
  { bindInterface, kvStore }: { bindInterface?: string; kvStore: string },
): Promise<Underlay> {
  return kernel.underlay(bindInterface ?? (await ownAddressTowards(kvStore)))
}

/** At boot the interface may come a moment after us. */
export async function waitForUnderlay(
  find: () => Promise<Underlay>,
  log: Log,
  withinMs: number,
): Promise<Underlay> {
  const deadline = performance.now() + withinMs
  for (let attempt = 1; ; attempt++) {
    try {
      return await find()
    } catch (error) {
      if (!isCode(error, 'invalid') || performance.now() > deadline) throw error
      if (attempt === 1) log.warn({ err: error }, 'waiting for the interface of the tunnels')
    }
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}

async function ownAddressTowards(kvStore: string): Promise<Ip> {
  const { host, port } = parseStoreUrl(kvStore)
  const target = host.replace(/^\[|\]$/g, '')
  const socket = createSocket(isIPv6(target) ? 'udp6' : 'udp4')
  try {
    socket.connect(port, target)
    await once(socket, 'connect')
    const { address } = socket.address()
    if (!address.startsWith('127.') && address !== '::1') return address
  } catch (cause) {
    throw noWay(`no way leads to the store at ${target}: ${(cause as Error).message}`, cause)
  } finally {
    socket.close()
  }
  throw noWay(`the store at ${target} is on this host`)
}

function noWay(message: string, cause?: unknown): DriverError {
  const hint = 'name the interface of the tunnels with --bind-interface, by name or by CIDR'
  return new DriverError('invalid', message, { hint, cause })
}
