/**
 * Keeps the mirror current: one full read, then the change log, by blocking queries.
 *
 * Everything is read again when the log has a gap, and at intervals, because a person may have changed a key
 * by hand. Such a read may take minutes, and the log is followed beside it: at intervals into the mirror,
 * after a gap into a list that counts when the read has come (held-log.ts). A failure changes nothing in the
 * mirror; the watch continues after at most a second where it was in the log.
 *
 * TCP repeats what it could not deliver after pauses that double (RFC 6298, 5.5). After a partition has
 * healed, an answer may therefore be delayed by as long as the partition lasted, and Consul looks alive but
 * silent. So every query must be answered soon: a watch waits for half the limit of a call, is given up when
 * the limit has passed as well, and is repeated on another connection. With a limit of 4 s an answer arrives
 * 3 s after healing at the latest.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { isCode } from '../../core/errors.ts'
import type { HostName } from '../../core/records.ts'
import type { Log } from '../../log.ts'
import { clusterKey, repairFolder } from '../incarnation.ts'
import type { LoggedCommit, Mirror, RawRecord } from '../mirror.ts'
import { aliveIn } from './alive.ts'
import type { Item } from './answers.ts'
import { type Changelog, type LogAnswer, type LogEntry, type LogItem, newestIn } from './change-log.ts'
import type { ConsulClient, Listing } from './client.ts'
import { holdLog } from './held-log.ts'
import { parsePath } from './keys.ts'
import { listSegment, type Position, withoutPrefix } from './log-lists.ts'

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

/** Between reads of everything whose place in the log is gone when they have come: they double. */
const pausesMs = { first: 100, most: 10_000 }

/** Kept across failures. */
interface Watch {
  /** Where the log is followed. Undefined: everything must be read first. */
  at: Position | undefined
  /** Never, while such a read runs. */
  readAgainAt: number
  /** The last read beside the watch. Never rejects. */
  reading: Promise<void>
  /** Why it failed. */
  failure: unknown
  /** When everything may be read again because of a gap. */
  pausesUntil: number
  /** The pause at the next gap, unless the log has been followed before. */
  pauseMs: number
}

/** Runs until the signal; never throws. */
export async function follow(on: Following): Promise<void> {
  const reading = Promise.resolve()
  const none = { at: undefined, failure: undefined, readAgainAt: 0, pauseMs: 0, pausesUntil: 0 }
  const watch: Watch = { ...none, reading }
  let backoffMs = 50
  while (!on.signal.aborted) {
    try {
      await followOnce(on, watch, () => {
        backoffMs = 50
      })
    } catch (error) {
      if (on.signal.aborted) break
      // After `unavailable` the log still has what was missed. After any other error the state is unknown:
      // everything is read again.
      if (!isCode(error, 'unavailable')) watch.at = undefined
      on.connected(false)
      on.log.debug({ err: error }, 'the watch failed and is repeated')
      await delay(backoffMs, undefined, { signal: on.signal }).catch(() => 'aborted')
      backoffMs = Math.min(backoffMs * 2, maxBackoffMs)
    }
  }
  await watch.reading
}

/** Runs until an error. */
async function followOnce(on: Following, watch: Watch, works: () => void): Promise<void> {
  let waitMs: number | undefined
  while (!on.signal.aborted) {
    if (watch.at === undefined) {
      await closeGap(on, watch)
      on.connected(true)
    }
    if (performance.now() >= watch.readAgainAt) readBeside(on, watch)
    // What was held may end with a gap as well.
    if (watch.at === undefined) continue
    const { at } = watch
    const listing = await listSegment(on, at, { waitMs, signal: on.signal })
    if (watch.failure !== undefined) {
      watch.at = undefined
      throw watch.failure
    }
    works()
    // The first query returns at once, also after a failure.
    waitMs = on.waitMs
    take(on, watch, at, listing)
    if (watch.at === undefined) continue
    watch.pauseMs = 0
    on.connected(true)
  }
}

/** Reads everything, and what others have committed meanwhile. */
async function closeGap(on: Following, watch: Watch): Promise<void> {
  const pauseMs = watch.pausesUntil - performance.now()
  if (pauseMs > 0) await delay(pauseMs, undefined, { signal: on.signal })
  const { listings, stop } = await holdLog(on)
  await on.readAll().finally(stop)
  watch.failure = undefined
  watch.readAgainAt = nextReadAt(on)
  watch.at = { segment: on.changelog.start(), index: 0 }
  for (const [segment, listing] of listings)
    if (watch.at?.segment === segment) take(on, watch, watch.at, listing)
}

/** A periodic full read does not change the position in the log. */
function readBeside(on: Following, watch: Watch): void {
  watch.readAgainAt = Number.POSITIVE_INFINITY
  watch.reading = on.readAll().then(
    () => {
      watch.readAgainAt = nextReadAt(on)
    },
    (error: unknown) => {
      watch.failure = error
    },
  )
}

/** The random part keeps hosts that started together apart. */
function nextReadAt(on: Following): number {
  return performance.now() + on.resyncMs() * (1 + Math.random() / 4)
}

function take(on: Following, watch: Watch, at: Position, listing: Listing): void {
  const answer = answerIn(on, listing, at)
  if (!('gap' in answer)) {
    watch.at = { segment: answer.next, index: Math.max(listing.index, 1) }
    return
  }
  on.log.info({ reason: answer.gap }, 'reading everything again')
  watch.at = undefined
  watch.pausesUntil = performance.now() + watch.pauseMs
  watch.pauseMs = Math.min(Math.max(2 * watch.pauseMs, pausesMs.first), pausesMs.most)
}

function answerIn(on: Following, listing: Listing, at: Position): LogAnswer {
  if (listing.filtered === true) return { gap: 'Consul’s answer lacks what the token may not read' }
  if (listing.index < at.index) return { gap: 'Consul’s index decreased' }
  return deliver(on, listing, at)
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
  entries: LogItem[]
  /** The highest ModifyIndex of all keys. */
  top: number
  newestSegment: number
  /** Hosts whose session holds their key. */
  alive: ReadonlySet<HostName>
  cluster: { text: string; index: number } | undefined
  /** The folder `repair`, by the path in it: the word `restored` of a repair that no host has finished; `UpTo`. */
  repairs: ReadonlyMap<string, { text: string; index: number }>
}

export function sortItems(prefix: string, folder: string, items: readonly Item[]): SortedItems {
  const all = withoutPrefix(prefix, items)
  const records = all.flatMap(({ path, index, text }) => {
    const at = parsePath(path)
    return at === undefined ? [] : [{ ...at, index, text }]
  })
  const top = all.reduce((highest, { index }) => Math.max(highest, index), 0)
  const entries = all.filter(({ path }) => path.startsWith(folder))
  const newestSegment = newestIn(entries) ?? 0
  const alive = aliveIn(prefix, items)
  const cluster = all.find(({ path }) => path === clusterKey)
  const marks = all.filter(({ path }) => path.startsWith(repairFolder))
  const repairs = new Map(marks.map((it) => [it.path.slice(repairFolder.length), it]))
  return { records, entries, top, newestSegment, alive, cluster, repairs }
}
