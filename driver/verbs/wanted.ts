/**
 * A pool without a free address. While another host has one idle in its reserve, this host writes that it
 * wants it (`wanted/<network>/<host>`), and the other one returns it within moments. So a reserve never makes
 * a pool smaller.
 */

import { holderOf } from '../core/endpoints/conflicts.ts'
import { DriverError, isCode } from '../core/errors.ts'
import { canonicalIp, contains, isIp } from '../core/ip.ts'
import { leasedAddresses, nextAddress } from '../core/leases.ts'
import { lifeOf } from '../core/liveness.ts'
import type { Cidr, HostName, Ip, Lease, Network, Pool, Snapshot } from '../core/records.ts'
import { isIdle, poolUse, showPoolUse, wantKey } from '../core/reserve.ts'
import { keyIn, leasesOf, restOf } from '../core/snapshot.ts'
import { unreadableKeys } from '../store/lookup.ts'
import type { Store } from '../store/store.ts'
import { within } from '../within.ts'
import { becomes } from './becomes.ts'
import type { VerbContext } from './context.ts'
import { askedAgainAfterMs } from './held-addresses.ts'
import { optimisticTransaction } from './optimistic-transaction.ts'
import type { AddressAsk } from './verbs.ts'

export interface Wants {
  /** What `lease` leases. Where the pool is full or `--ip` is leased, an address that another host has idle. */
  orIdle(cidr: Cidr, ask: AddressAsk, signal: AbortSignal, lease: () => Promise<Ip>): Promise<Ip>
}

export function createWants(context: VerbContext): Wants {
  /** Requests that wait, by the key of their record. */
  const waiting: Waiting = new Map()
  return {
    async orIdle(cidr, ask, signal, lease) {
      const ip = ask.address !== undefined && isIp(ask.address) ? canonicalIp(ask.address) : undefined
      const place = placeOf(context.store.snapshot(), cidr)
      try {
        return await leaseReleased(context, place, ip, lease)
      } catch (error) {
        const isFull = isCode(error, 'exhausted') || (ip !== undefined && isCode(error, 'taken'))
        if (!isFull || ask.gateway || place === undefined) throw error
        if (!hasIdle(context, place, ip)) throw await explained(context, place, ip, error)
        const key = await want(context, waiting, place, ip)
        try {
          const leased = await leaseReturned(context, place, ip, signal, lease)
          if (leased !== undefined) return leased
        } finally {
          await wantNoMore(context, waiting, key)
        }
        throw await explained(context, place, ip, error)
      }
    },
  }
}

type Waiting = Map<string, number>

/**
 * Calls `lease` a second time when a container of this host has just let go of the address. The addresses
 * loop returns such an address to the pool, and no request gets it meanwhile.
 */
async function leaseReleased(
  context: VerbContext,
  place: Place | undefined,
  ip: Ip | undefined,
  lease: () => Promise<Ip>,
): Promise<Ip> {
  try {
    return await lease()
  } catch (error) {
    if (place === undefined || ip === undefined || !isCode(error, 'taken')) throw error
    const { addresses } = context.inFlight
    const key = keyIn(place.network.id, ip)
    await within(addresses.outcome(key), context.returnedWithinMs)
    const left = context.store.snapshot().addresses.get(key)?.value
    const isOurs =
      left === undefined || (left.host === context.host && isIdle(left) && !isStarting(context, key, left))
    if (!isOurs) throw error
    return await lease()
  }
}

/** Resolves with the key of the record. */
async function want(
  { store, host, now }: VerbContext,
  waiting: Waiting,
  { network }: Place,
  ip: Ip | undefined,
): Promise<string> {
  const key = wantKey(network.id, host, ip)
  const value = { host, since: now().toISOString(), ...(ip !== undefined && { ip }) }
  // Before the commit: a request that ends meanwhile must not remove the record.
  counted(waiting, key, 1)
  await optimisticTransaction(store, (snapshot) => {
    const record = snapshot.wanted.get(key)
    const at = { table: 'wanted', key, value } as const
    return {
      changes: [
        record === undefined ? { op: 'create', ...at } : { op: 'update', ...at, index: record.index },
      ],
      answer: undefined,
    }
  }).catch((error: unknown) => {
    counted(waiting, key, -1)
    throw error
  })
  return key
}

/** How many requests wait by the record from now on. */
function counted(waiting: Waiting, key: string, by: 1 | -1): number {
  const count = (waiting.get(key) ?? 0) + by
  if (count > 0) waiting.set(key, count)
  else waiting.delete(key)
  return count
}

async function wantNoMore({ store }: VerbContext, waiting: Waiting, key: string): Promise<void> {
  if (counted(waiting, key, -1) > 0) return
  // While the store does not answer, the record stays; the addresses loop removes it.
  await store.commit([{ op: 'drop', table: 'wanted', key }]).catch(() => undefined)
}

/** Undefined when no host returns one in time. */
async function leaseReturned(
  context: VerbContext,
  place: Place,
  ip: Ip | undefined,
  signal: AbortSignal,
  lease: () => Promise<Ip>,
): Promise<Ip | undefined> {
  const { store } = context
  const until = performance.now() + context.returnedWithinMs
  const isFree = (): boolean => !isTaken(store, place, ip)
  while (performance.now() < until && !signal.aborted) {
    if (!(await becomes(store, isFree, until - performance.now()))) return undefined
    try {
      return await lease()
    } catch (error) {
      // Another request was faster.
      if (!isCode(error, 'exhausted', 'taken')) throw error
    }
  }
  return undefined
}

interface Place {
  network: Network
  pool: Pool
}

function placeOf(snapshot: Snapshot, cidr: Cidr): Place | undefined {
  const network = snapshot.networks.get(snapshot.pools.get(cidr)?.value.network ?? '')?.value
  if (network === undefined) return undefined
  return { network, pool: network.v6?.cidr === cidr ? network.v6 : network.v4 }
}

function isTaken(store: Store, { network: { id }, pool }: Place, ip: Ip | undefined): boolean {
  const leased = leasedAddresses(store.snapshot(), id, unreadableKeys(store.status(), 'addresses'))
  if (ip !== undefined) return leased.has(ip)
  try {
    nextAddress({ pool, leased })
    return false
  } catch (error) {
    if (isCode(error, 'exhausted')) return true
    throw error
  }
}

/**
 * An address of the pool, or this one, may lie idle, or be on its way back from this host's reserve since
 * another host wants one. Whether a container still names an address of `--ip`, its own host alone knows.
 */
function hasIdle(context: VerbContext, { network, pool }: Place, ip: Ip | undefined): boolean {
  const { store, host, inFlight } = context
  const comesBack = (key: string, lease: Lease): boolean =>
    lease.host !== host ||
    inFlight.addresses.isReturning(key) ||
    (lease.asked === true && !isStarting(context, key, lease))
  return [...leasesOf(store.snapshot(), network.id)].some(([key, { value }]) => {
    const at = restOf(key)
    return isIdle(value) && comesBack(key, value) && (ip === undefined ? contains(pool.cidr, at) : at === ip)
  })
}

/** Docker was given the idle address for a container of this host a moment ago. */
function isStarting({ host, inFlight }: VerbContext, key: string, lease: Lease): boolean {
  return lease.host === host && inFlight.addresses.isHeld(key, lease, askedAgainAfterMs)
}

async function explained(
  context: VerbContext,
  place: Place,
  ip: Ip | undefined,
  error: DriverError,
): Promise<DriverError> {
  const { store, host, inFlight } = context
  const snapshot = store.snapshot()
  const away = await awayHosts(store)
  if (ip === undefined) {
    const isHeld = (key: string): boolean => {
      const lease = snapshot.addresses.get(key)?.value
      return lease !== undefined && lease.host === host && inFlight.addresses.isHeld(key, lease)
    }
    const use = poolUse(leasesOf(snapshot, place.network.id), place.pool, isHeld)
    return new DriverError(error.code, `${error.message}: ${showPoolUse(use, away)}`, { hint: error.hint })
  }
  const key = keyIn(place.network.id, ip)
  const lease = snapshot.addresses.get(key)?.value
  if (lease === undefined || lease.service !== undefined) return error
  const where = `${lease.host}${away.has(lease.host) ? ', which is away' : ''}`
  const because = (why: string | undefined, hint = error.hint) =>
    new DriverError(error.code, `${error.message}: ${why}`, { hint })
  if (!isIdle(lease)) return because(holderOf(snapshot, key))
  if (!lease.asked) return because(`idle on ${where}`)
  if (inFlight.addresses.isReturning(key))
    return because('on its way back to the pool, and Consul has not answered yet', 'try again')
  if (isStarting(context, key, lease)) {
    const why = 'given to a container that is starting, or whose start failed a moment ago'
    return because(why, 'try again in half a minute, or choose another --ip')
  }
  const remedy = 'remove that container, or choose another --ip'
  return because(`kept for a container that has it by --ip on ${where}`, remedy)
}

async function awayHosts(store: Store): Promise<Set<HostName>> {
  const seen = await store.liveness().catch(() => undefined)
  if (seen === undefined) return new Set()
  const hosts = [...store.snapshot().hosts]
  return new Set(
    hosts.filter(([name, { value }]) => lifeOf(name, value, seen) === 'away').map(([name]) => name),
  )
}
