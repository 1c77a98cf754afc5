/**
 * Keeps the mirror current: one full read, then the change log, by blocking queries.
 *
 * Everything is read again when the log has a gap, and at intervals, because a person may have changed a key
 * by hand. A failure changes nothing in the mirror; the watch continues after at most a second where it was
 * in the log.
 *
 * TCP repeats what it could not deliver after pauses that double (RFC 6298, 5.5). After a partition has
 * healed, an answer may therefore be delayed by as long as the partition lasted, and Consul looks alive but
 * silent. So every query must be answered soon: a watch waits for half the limit of a call, is given up when
 * the limit has passed as well, and is repeated on another connection. With a limit of 4 s an answer arrives
 * 3 s after healing at the latest.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isCode } from '../../core/errors.ts'
import type { HostName } from '../../core/records.ts'
import type { Log } from '../../log.ts'
import { clusterKey } from '../incarnation.ts'
import type { LoggedCommit, Mirror, RawRecord } from '../mirror.ts'
import { aliveIn } from './alive.ts'
import type { Item } from './answers.ts'
import { type Changelog, type LogAnswer, type LogEntry, segmentOfHead } from './change-log.ts'
import type { ConsulClient, Listing } from './client.ts'
import { parsePath } from './keys.ts'

export interface Following {
  client: Pick<ConsulClient, 'list'>
  prefix: string
  mirror: Mirror
  changelog: Changelog
  /** Reads everything into the mirror. Throws `unavailable`. */
  readAll: () => Promise<void>
  /**
   * How long a blocking query waits. With the limit of a call it decides how soon a silent Consul is noticed.
   */
  waitMs: number
  /** Time from one full read to the next. */
  resyncMs: () => number
  log: Log
  signal: AbortSignal
  /** After entries of the log have reached the mirror. */
  delivered: () => void
  /** True from the first answer until a failure. */
  connected: (yes: boolean) => void
}

const maxBackoffMs = 1000

/** The position of the watch; kept across failures. */
interface Watch {
  /** Undefined until everything has been read. */
  at: Position | undefined
  readAgainAt: number
}

/** Runs until the signal; never throws. */
export async function follow(on: Following): Promise<void> {
  const watch: Watch = { at: undefined, readAgainAt: 0 }
  let backoffMs = 50
  while (!on.signal.aborted) {
    try {
      await followOnce(on, watch, () => {
        backoffMs = 50
      })
    } catch (error) {
      if (on.signal.aborted) return
      // After `unavailable` the log still has what was missed. After any other error the state is unknown:
      // everything is read again.
      if (!isCode(error, 'unavailable')) watch.at = undefined
      on.connected(false)
      on.log.debug({ err: error }, 'the watch failed and is repeated')
      await sleep(backoffMs, undefined, { signal: on.signal }).catch(() => 'aborted')
      backoffMs = Math.min(backoffMs * 2, maxBackoffMs)
    }
  }
}

/** Runs until an error. */
async function followOnce(on: Following, watch: Watch, works: () => void): Promise<void> {
  let waits = false
  while (!on.signal.aborted) {
    if (watch.at === undefined || performance.now() >= watch.readAgainAt) {
      watch.readAgainAt = await readAll(on)
      // A periodic full read does not change the position in the log.
      watch.at ??= beginning(on)
      on.connected(true)
    }
    const { at } = watch
    const listing = await on.client.list(`${on.prefix}/${on.changelog.folderOf(at.segment)}`, {
      // The first query returns at once, also after a failure, and consistently: a Consul that has just
      // started otherwise answers from an old state.
      ...(waits ? { index: at.index, waitMs: on.waitMs } : { consistent: true }),
      signal: on.signal,
    })
    works()
    waits = true
    const answer = answerIn(on, listing, at)
    if ('gap' in answer) {
      on.log.info({ reason: answer.gap }, 'reading everything again')
      watch.at = undefined
    } else {
      watch.at = { segment: answer.next, index: Math.max(listing.index, 1) }
      on.connected(true)
    }
  }
}

function answerIn(on: Following, listing: Listing, at: Position): LogAnswer {
  if (listing.filtered === true) return { gap: 'Consul’s answer lacks what the token may not read' }
  if (listing.index < at.index) return { gap: 'Consul’s index decreased' }
  return deliver(on, listing, at)
}

/** A segment of the log, and the index that the next answer must exceed; 0 for an answer at once. */
interface Position {
  segment: number
  index: number
}

function beginning({ changelog }: Following): Position {
  return { segment: changelog.newest(), index: 0 }
}

/** Reads everything. Returns when to read again; the random part keeps hosts that started together apart. */
async function readAll(on: Following): Promise<number> {
  await on.readAll()
  return performance.now() + on.resyncMs() * (1 + Math.random() / 4)
}

function deliver(on: Following, listing: Listing, { segment }: Position): LogAnswer {
  const items = withoutPrefix(on.prefix, listing.items)
  const answer = on.changelog.follow(items, segment, on.mirror.index())
  if (!('gap' in answer)) {
    on.mirror.follow(answer.entries.map(writtenIn), answer.top)
    if (answer.entries.length > 0) on.delivered()
  }
  return answer
}

export function writtenIn({ index, changes }: LogEntry): LoggedCommit {
  const written = changes.map(({ path, value }) => ({ at: parsePath(path), value }))
  return { index, written: written.flatMap(({ at, value }) => (at === undefined ? [] : [{ ...at, value }])) }
}

/** What a full read brought. */
export interface SortedItems {
  records: RawRecord[]
  /** The change log; paths behind the prefix. */
  entries: { path: string; index: number; text: string }[]
  /** The highest ModifyIndex of all keys. */
  top: number
  newestSegment: number
  /** Hosts whose session holds their key. */
  alive: ReadonlySet<HostName>
  cluster: { text: string; index: number } | undefined
}

export function sortItems(prefix: string, folder: string, items: readonly Item[]): SortedItems {
  const all = withoutPrefix(prefix, items)
  const records = all.flatMap(({ path, index, text }) => {
    const at = parsePath(path)
    return at === undefined ? [] : [{ ...at, index, text }]
  })
  const top = all.reduce((highest, { index }) => Math.max(highest, index), 0)
  const entries = all.filter(({ path }) => path.startsWith(folder))
  const newestSegment = Math.max(0, ...entries.flatMap(({ path }) => segmentOfHead(path) ?? []))
  const alive = aliveIn(prefix, items)
  return { records, entries, top, newestSegment, alive, cluster: all.find(({ path }) => path === clusterKey) }
}

function withoutPrefix(prefix: string, items: readonly Item[]): SortedItems['entries'] {
  return items.map(({ key, index, text }) => ({ path: key.slice(prefix.length + 1), index, text }))
}
