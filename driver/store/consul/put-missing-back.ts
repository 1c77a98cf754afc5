/**
 * Puts back what was deleted by hand (missing.ts), after each full read, and asks the other hosts for what is
 * theirs.
 *
 * A host is asked by an entry of the change log, so that it reads everything within seconds. A host that is
 * alive and has put nothing back for half a minute does not have the record: it was away for longer than the
 * log reaches, and has believed its full read. Then the record is gone here, too.
 */
import { asDriverError, DriverError, isCode } from '../../core/errors.ts'
import type { HostName } from '../../core/records.ts'
import { recordName } from '../../core/snapshot.ts'
import type { Log } from '../../log.ts'
import type { Position } from '../incarnation.ts'
import type { Mirror, ReadLog } from '../mirror.ts'
import { canBePutBack, commitsFor, isKept, isOfUnreadable, ownerOf, stages } from '../missing.ts'
import type { ChangedKey } from '../store.ts'
import { entriesSince, headOf } from './change-log.ts'
import { type Transacting, transact } from './transactions.ts'
import { type SortedItems, writtenIn } from './watch.ts'

export interface PuttingBack extends Pick<Transacting, 'client' | 'changelog' | 'prefix'> {
  mirror: Mirror
  host: HostName
  log: Log
  /** Of full-read.ts. */
  standing: { guard: number | undefined; asked: Map<string, number>; awaited: Map<string, number> }
}

const ownerHasMs = 30_000

/**
 * Undefined where the log does not reach back to what the mirror has: then a full read is believed. `before`:
 * this host's position in the log, which the copy on disk has, too.
 */
export function logOf(
  { mirror, standing }: Pick<PuttingBack, 'mirror' | 'standing'>,
  before: Position,
  found: SortedItems,
): ReadLog | undefined {
  const at = (wanted: string | undefined) => found.entries.find(({ path }) => path === wanted)
  const newest = at(before.entry) ?? at(headOf(before.segment))
  // A Consul into which the keys were imported counts anew.
  const index = newest?.index ?? mirror.index()
  const commits = entriesSince(found.entries, index)?.map(writtenIn)
  if (commits === undefined) return undefined
  return {
    commits,
    keeps(snapshot, at) {
      const since = standing.awaited.get(recordName(at))
      if (since !== undefined && !isOver(since)) return true
      if (!isKept(snapshot, at, mirror.isUnreadable)) return false
      if (isOfUnreadable(snapshot, at, mirror.isUnreadable)) return true
      const isLate = isOver(standing.asked.get(recordName(at)) ?? Number.POSITIVE_INFINITY)
      return since === undefined && !(isLate && found.alive.has(ownerOf(snapshot, at) ?? ''))
    },
  }
}

/**
 * After a repair, a record of another host that the store lacks may be one that its host has yet to put back:
 * it stays for as long as a host has for that, alive or away. Its host's own record may be missing, too. A
 * record whose network or host cannot be read stays until both can be read.
 */
export function logAfterRepair({
  host,
  mirror,
  standing,
}: Pick<PuttingBack, 'host' | 'mirror' | 'standing'>): ReadLog {
  return {
    commits: [],
    keeps(snapshot, at) {
      if (!isKept(snapshot, at, mirror.isUnreadable)) return false
      const owner = ownerOf(snapshot, at)
      if (owner === undefined || owner === host) return isOfUnreadable(snapshot, at, mirror.isUnreadable)
      standing.awaited.set(recordName(at), performance.now())
      return true
    },
  }
}

function isOver(since: number): boolean {
  return performance.now() - since > ownerHasMs
}

/** A record that is back may be deleted again: its host then has half a minute anew. */
export function forgetAsked({ mirror, standing }: Pick<PuttingBack, 'mirror' | 'standing'>): void {
  const missing = new Set(mirror.missing().map(recordName))
  for (const of of [standing.asked, standing.awaited])
    for (const name of of.keys()) if (!missing.has(name)) of.delete(name)
}

/** False: something has changed meanwhile, and everything is to be read again. Never throws. */
export async function putMissingBack(on: PuttingBack, found: SortedItems): Promise<boolean> {
  try {
    for (const stage of stages) await putBack(on, stage)
    await askOwners(on, found)
    return true
  } catch (error) {
    if (isCode(error, 'conflict')) return false
    on.log.warn({ err: asDriverError(error) }, 'records that were deleted by hand cannot be put back now')
    return true
  }
}

async function putBack(on: PuttingBack, isNow: (typeof stages)[number]): Promise<void> {
  const snapshot = on.mirror.snapshot()
  const missing = on.mirror.missing()
  const records = decided(on).filter((at) => isNow(snapshot, on.host, at))
  for (const changes of commitsFor(snapshot, records, missing)) {
    const committed = await transact(transacting(on), changes).catch((error: unknown) => {
      if (isCode(error, 'conflict', 'unavailable')) throw error
      const records = changes.filter(({ op }) => op === 'create').map(recordName)
      on.log.error({ err: error, records }, 'the store refuses records that were deleted by hand')
    })
    if (committed === undefined) continue
    const { index, written } = committed
    on.mirror.commit(index, written)
    on.log.warn({ records: written.map(recordName) }, 'records were deleted by hand and are put back')
  }
}

async function askOwners(on: PuttingBack, { alive }: SortedItems): Promise<void> {
  const { asked } = on.standing
  const snapshot = on.mirror.snapshot()
  const owners = new Map(decided(on).map((at) => [recordName(at), ownerOf(snapshot, at) ?? '']))
  const fresh = [...owners].filter(([name, owner]) => alive.has(owner) && !asked.has(name))
  if (fresh.length === 0) return
  await transact(transacting(on), [], [...new Set(fresh.map(([, owner]) => owner))])
  for (const [name] of fresh) asked.set(name, performance.now())
}

/** Without what cannot be put back yet: it stays, and `multihost status` names it. */
function decided({ mirror }: PuttingBack): ChangedKey[] {
  const snapshot = mirror.snapshot()
  return mirror.missing().filter((at) => canBePutBack(snapshot, at, mirror.isUnreadable))
}

function transacting(on: PuttingBack) {
  const relearn = async (): Promise<never> => {
    throw new DriverError('unavailable', 'the store changed while this host put records back')
  }
  return { ...on, incarnation: () => on.standing.guard, relearn }
}
