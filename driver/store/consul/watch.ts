/**
 * Keeps the mirror up to date: one full read, then the change log, by blocking queries.
 *
 * Everything is read again when the log has a gap, and once in a while, since somebody may have changed a key by hand.
 * A failure changes nothing in the mirror; it is tried again after at most a second, where the log was left.
 *
 * What Consul sends into a cut path it sends again after pauses that double (RFC 6298, 5.5), so an answer may come as
 * long after the path has healed as the cut lasted. From here that looks as if nothing happened, unless every question
 * is answered soon: a watch waits for half the bound of a call, is given up when the bound has passed as well, and is
 * asked anew on another connection. With a bound of 4 s an answer comes some 3 s after healing at the latest.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isCode } from '../../core/errors.ts'
import type { Log } from '../../log.ts'
import type { Mirror, RawRecord, Written } from '../mirror.ts'
import type { Changelog, LogAnswer, LogEntry } from './change-log.ts'
import type { ConsulClient, Item, Listing } from './client.ts'
import { parsePath } from './keys.ts'

export interface Following {
  client: Pick<ConsulClient, 'list'>
  prefix: string
  mirror: Mirror
  changelog: Changelog
  /** Reads everything into the mirror; throws `unavailable`. */
  readAll: () => Promise<void>
  /** How long a blocking query waits; with the bound of a call, how soon a silent Consul is noticed. */
  waitMs: number
  /** When everything is to be read again, after a read. */
  resyncMs: () => number
  log: Log
  signal: AbortSignal
  /** True from the first answer until a failure. */
  connected: (yes: boolean) => void
}

const maxBackoffMs = 1000

/** Where the watch is; it outlives failures. */
interface Watch {
  /** Where in the log; undefined until everything was read. */
  at: Position | undefined
  readAgainAt: number
}

/** Until the signal; never throws. */
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
      // What was missed is in the log. Of any other failure nobody knows what it left.
      if (!isCode(error, 'unavailable')) watch.at = undefined
      on.connected(false)
      on.log.debug({ err: error }, 'the watch failed and begins anew')
      await sleep(backoffMs, undefined, { signal: on.signal }).catch(() => 'woken to stop')
      backoffMs = Math.min(backoffMs * 2, maxBackoffMs)
    }
  }
}

/** Until something fails. */
async function followOnce(on: Following, watch: Watch, works: () => void): Promise<void> {
  let waits = false
  while (!on.signal.aborted) {
    if (watch.at === undefined || performance.now() >= watch.readAgainAt) {
      watch.readAgainAt = await readAll(on)
      // What is known of the log is kept: a read now and then is no reason to begin it anew.
      watch.at ??= beginning(on)
      on.connected(true)
    }
    const { at } = watch
    const listing = await on.client.list(`${on.prefix}/${on.changelog.folderOf(at.segment)}`, {
      // The first answer comes at once, also after a failure, and never from the past of a Consul that has just started.
      ...(waits ? { index: at.index, waitMs: on.waitMs } : { consistent: true }),
      signal: on.signal,
    })
    works()
    waits = true
    const answer = listing.index < at.index ? { gap: 'Consul’s index went back' } : deliver(on, listing, at)
    if ('gap' in answer) {
      on.log.info({ reason: answer.gap }, 'reading everything again')
      watch.at = undefined
    } else {
      watch.at = { segment: answer.next, index: Math.max(listing.index, 1) }
      on.connected(true)
    }
  }
}

/** Where in the log, and the index that the next answer must be above; 0 for an answer at once. */
interface Position {
  segment: number
  index: number
}

function beginning({ changelog }: Following): Position {
  return { segment: changelog.newest(), index: 0 }
}

/** When to do so again: hosts that began together do not stay together. */
async function readAll(on: Following): Promise<number> {
  await on.readAll()
  return performance.now() + on.resyncMs() * (1 + Math.random() / 4)
}

function deliver(on: Following, listing: Listing, { segment }: Position): LogAnswer {
  const items = itemsBehind(on.prefix, listing.items)
  const answer = on.changelog.follow(items, segment, on.mirror.index())
  if (!('gap' in answer)) on.mirror.follow(answer.entries.map(writtenIn), answer.top)
  return answer
}

function writtenIn({ index, changes }: LogEntry): { index: number; written: Written[] } {
  const written = changes.map(({ path, value }) => ({ at: parsePath(path), value }))
  return { index, written: written.flatMap(({ at, value }) => (at === undefined ? [] : [{ ...at, value }])) }
}

/** What a full read brought: the records, the log's entries, and the highest index of all. */
export function sortItems(
  prefix: string,
  folder: string,
  items: readonly Item[],
): { records: RawRecord[]; entries: ReturnType<typeof itemsBehind>; top: number } {
  const all = itemsBehind(prefix, items)
  const records = all.flatMap(({ path, index, text }) => {
    const at = parsePath(path)
    return at === undefined ? [] : [{ ...at, index, text }]
  })
  const top = all.reduce((highest, { index }) => Math.max(highest, index), 0)
  return { records, entries: all.filter(({ path }) => path.startsWith(folder)), top }
}

function itemsBehind(
  prefix: string,
  items: readonly Item[],
): { path: string; index: number; text: string }[] {
  return items.map(({ key, index, text }) => ({ path: key.slice(prefix.length + 1), index, text }))
}
