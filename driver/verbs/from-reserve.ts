/**
 * Which address of this host's reserve (core/reserve.ts) a request gets: the one that the starting container
 * had, or one that no container may come back to.
 */
import { canonicalIp, isIp } from '../core/ip.ts'
import { unboundSince } from '../core/leases.ts'
import type { Cidr, Ip, NetworkId, Pool } from '../core/records.ts'
import { containersOn, type IdleLease, idleLeases, inOrder, restMs } from '../core/reserve.ts'
import { localIdOf } from '../core/snapshot.ts'
import { unreadableKeys } from '../store/lookup.ts'
import type { VerbContext } from './context.ts'
import { askedAgainAfterMs, type HeldAddresses } from './held-addresses.ts'
import { poolAt } from './known-pool.ts'
import type { AddressAsk } from './verbs.ts'

/** An address that another container may come back to is given with `evenOwned` alone, the oldest first. */
export function fromReserve(
  context: VerbContext,
  cidr: Cidr,
  ask: AddressAsk,
  { starting = new Set(), evenOwned }: { starting?: ReadonlySet<string>; evenOwned: boolean },
): Ip | undefined {
  const { addresses } = context.inFlight
  const reserve = reserveOf(context, cidr, ask)
  const free = freeIn(context, reserve)
  const found =
    ask.address === undefined
      ? (leftBy(starting, free) ??
        free.find((it) => it.owner === undefined) ??
        (evenOwned ? free.at(-1) : undefined))
      : idleAt(reserve.idle, ask.address, addresses)
  if (found !== undefined) addresses.hold(found.key, ask.address !== undefined)
  return found?.ip
}

/**
 * The latest address of one of the containers. Of several that start together the one that stopped first has
 * probably come first.
 */
function leftBy(containers: ReadonlySet<string>, free: readonly FreeLease[]): FreeLease | undefined {
  const latest = new Map<string, FreeLease>()
  for (const it of free)
    if (it.owner !== undefined && containers.has(it.owner) && !latest.has(it.owner)) latest.set(it.owner, it)
  return [...latest.values()].at(-1)
}

/** This host's idle leases of the pool's network. A key that cannot be read by now may be another host's. */
function reserveOf(
  context: VerbContext,
  cidr: Cidr,
  ask: AddressAsk,
): { idle: readonly IdleLease[]; network?: NetworkId; pool?: Pool | undefined } {
  const snapshot = context.store.snapshot()
  const id = snapshot.pools.get(cidr)?.value.network
  const network = id === undefined ? undefined : snapshot.networks.get(id)?.value
  const isUsable =
    network !== undefined &&
    !(ask.gateway || network.removing) &&
    isOurs(context) &&
    localIdOf(snapshot, context.host, network.id) !== undefined
  if (!isUsable) return { idle: [] }
  const unreadable = unreadableKeys(context.store.status(), 'addresses')
  return {
    idle: idleLeases(snapshot, context.host, network.id).filter(({ key }) => !unreadable.has(key)),
    network: network.id,
    pool: poolAt(network, cidr),
  }
}

interface FreeLease extends IdleLease {
  /** The container that had the address last, and exists. */
  owner?: string | undefined
  /** The owner has another address by now. */
  isLeft?: boolean
}

/** Those that a request without `--ip` can get, in the order in which they are given. */
function freeIn(
  { inFlight, starting, store, host, now }: VerbContext,
  { idle, network, pool }: ReturnType<typeof reserveOf>,
): FreeLease[] {
  if (pool === undefined || network === undefined) return []
  const attached = containersOn(store.snapshot(), host, network)
  const hasRested = ({ lease }: IdleLease): boolean =>
    now().getTime() - Date.parse(unboundSince(lease.value)) >= restMs
  return inOrder(idle, pool, attached)
    .filter(
      ({ key, lease }) => !inFlight.addresses.isHeld(key, lease.value) && !inFlight.addresses.isNamed(key),
    )
    .map((it) => {
      const container = it.lease.value.left?.container
      if (container === undefined || starting.isGone(container)) return it
      const isLeft = attached.has(container)
      return isLeft && hasRested(it) ? it : { ...it, owner: container, isLeft }
    })
}

/** The containers that left an address, have no other one, and are being started: they get theirs again. */
export async function startingOwners(
  context: VerbContext,
  cidr: Cidr,
  ask: AddressAsk,
): Promise<ReadonlySet<string>> {
  if (ask.gateway || ask.address !== undefined) return new Set()
  const free = freeIn(context, reserveOf(context, cidr, ask))
  const owners = new Set(free.flatMap(({ owner, isLeft }) => (isLeft ? [] : (owner ?? []))))
  return owners.size === 0 ? owners : context.starting.among([...owners])
}

/**
 * Whether the leases under this host's name are this machine's. While the store is away, its record must have
 * this VTEP: a machine that was cloned has the copy of the store and another VTEP.
 */
function isOurs({ store, host, underlay }: VerbContext): boolean {
  const { fresh, doubt } = store.status()
  if (fresh && doubt === undefined) return true
  return store.snapshot().hosts.get(host)?.value.vtep === underlay().address
}

function idleAt(
  idle: readonly IdleLease[],
  address: string,
  addresses: HeldAddresses,
): IdleLease | undefined {
  if (!isIp(address)) return undefined
  const ip = canonicalIp(address)
  const found = idle.find((it) => it.ip === ip)
  if (found === undefined || addresses.isHeld(found.key, found.lease.value, askedAgainAfterMs))
    return undefined
  return found
}
