/**
 * RequestAddress and ReleaseAddress.
 *
 * A request is answered from this host's reserve (from-reserve.ts), without a commit. With an empty reserve
 * the next free address is leased, in one commit for all requests that wait (lease-by-commit.ts). A release
 * leaves the lease in the reserve. A pool without a free address: what other hosts have idle is asked for
 * (wanted.ts).
 */
import { defined } from '../core/defined.ts'
import { DriverError, isCode } from '../core/errors.ts'
import { canonicalIp, familyOf, isCidr, isIp, parseCidr } from '../core/ip.ts'
import type { Cidr, Ip, Snapshot } from '../core/records.ts'
import { keyIn, networkOfKey, restOf } from '../core/snapshot.ts'
import type { VerbContext } from './context.ts'
import { fromReserve, startingOwners } from './from-reserve.ts'
import type { KeyedMutex } from './keyed-mutex.ts'
import { knownPool } from './known-pool.ts'
import { followLeases } from './last-leased.ts'
import { leaseByCommit } from './lease-by-commit.ts'
import type { AddressAsk, Verbs } from './verbs.ts'
import { createWants } from './wanted.ts'

/** Addresses that one commit leases at most. */
const leasedAtOnce = 40
/** Between Docker's requests for the IPv4 and the IPv6 address of a start, on a slow machine. */
const betweenFamiliesMs = 5000

export function addressVerbs(
  context: VerbContext,
  mutex: KeyedMutex,
): Pick<Verbs, 'requestAddress' | 'releaseAddress'> {
  const { store, inFlight } = context
  const last = followLeases(store)
  const wants = createWants(context)
  const waiting = new Map<Cidr, number>()
  const leaseNew = (cidr: Cidr, ask: AddressAsk, signal: AbortSignal): Promise<Ip> => {
    const isCounted = !ask.gateway && ask.address === undefined
    const count = (by: number): void => {
      if (isCounted) waiting.set(cidr, (waiting.get(cidr) ?? 0) + by)
    }
    count(1)
    return mutex(`pool ${cidr}`, async () => {
      const given = fromReserve(context, cidr, ask, { evenOwned: !store.status().fresh })
      if (given !== undefined) return given
      const taken = new Set<Ip>()
      const at = { context, taken, last, count: Math.min(waiting.get(cidr) ?? 1, leasedAtOnce) }
      return leaseByCommit(at, cidr, ask, signal)
    }).finally(() => count(-1))
  }
  const release = (cidr: Cidr, ip: Ip): void => {
    const network = store.snapshot().pools.get(cidr)?.value.network
    if (network !== undefined) inFlight.addresses.release(keyIn(network, ip))
  }
  const give = async (cidr: Cidr, ask: AddressAsk, signal: AbortSignal): Promise<Ip> => {
    const starting = await startingOwners(context, cidr, ask)
    const ip =
      fromReserve(context, cidr, ask, { starting, evenOwned: !store.status().fresh }) ??
      (await wants
        .orIdle(cidr, ask, signal, () =>
          leaseNew(cidr, ask, signal).catch((error: unknown) => {
            const owned = fromReserve(context, cidr, ask, { evenOwned: true })
            if (owned === undefined) throw error
            return owned
          }),
        )
        .catch((error: unknown) => {
          throw isCode(error, 'unavailable') && !ask.gateway ? notInReserve(cidr, ask, error) : error
        }))
    // Docker was told of an error, and will not release the address.
    if (signal.aborted) release(cidr, ip)
    signal.throwIfAborted()
    return ip
  }
  return {
    async requestAddress(ask, signal) {
      signal.throwIfAborted()
      const cidr = knownPool(ask.pool)
      const ip = await elseReleaseV4(context, cidr, ask, () => give(cidr, ask, signal))
      return `${ip}/${parseCidr(cidr).length}`
    },
    async releaseAddress({ pool, address }) {
      if (isCidr(pool) && isIp(address)) release(knownPool(pool), canonicalIp(address))
    },
  }
}

/**
 * Docker requests the IPv4 address of a start first, and does not release it when the IPv6 request fails
 * (moby v28.5.2, libnetwork/network.go, createEndpoint).
 */
async function elseReleaseV4(
  context: VerbContext,
  cidr: Cidr,
  ask: AddressAsk,
  give: () => Promise<Ip>,
): Promise<Ip> {
  const v4 = v4OfStart(context, cidr, ask)
  try {
    return await give()
  } catch (error) {
    const { store, inFlight } = context
    if (v4 !== undefined && isUnbound(store.snapshot(), v4)) inFlight.addresses.release(v4)
    throw error
  }
}

/**
 * For an IPv6 request: the key of the same start's IPv4 address. Undefined where several starts are under
 * way, since Docker does not say which one asks.
 */
function v4OfStart({ store, inFlight }: VerbContext, cidr: Cidr, ask: AddressAsk): string | undefined {
  const snapshot = store.snapshot()
  const id = snapshot.pools.get(cidr)?.value.network ?? ''
  if (ask.gateway || snapshot.networks.get(id)?.value.v6?.cidr !== cidr) return undefined
  const isOfNetwork = (key: string): boolean => networkOfKey(key) === id && familyOf(restOf(key)) === 4
  const given = inFlight.addresses
    .givenWithin(betweenFamiliesMs)
    .filter((key) => isOfNetwork(key) && isUnbound(snapshot, key))
  return given.length === 1 ? given[0] : undefined
}

function isUnbound(snapshot: Snapshot, key: string): boolean {
  return snapshot.addresses.get(key)?.value.endpoint === undefined
}

function notInReserve(cidr: Cidr, { address }: AddressAsk, { message, hint }: DriverError): DriverError {
  const what = address === undefined ? `no address of ${cidr} in reserve` : `not leased ${address}`
  return new DriverError('unavailable', `this host has ${what}, and ${message}`, defined({ hint }))
}
