/**
 * A short log of commits beside the records, so that following the store costs what changed, not what exists.
 *
 * Every commit writes one entry, in its own transaction, with the new values. Consul gives all keys of a
 * transaction one ModifyIndex, so the entry's index is the records' index.
 *
 * Consul answers a watch with the whole folder. So the log is cut into segments, `changes/7/…`, and watchers block on
 * the last one alone: an answer is a few entries long, however many were written in the last seconds. A segment is
 * there when it has a head. The commit that finds it full enough makes the head of the next one and says so in its
 * entry; every commit demands that its segment has a head and the next one none, so that nothing is ever written
 * behind a watcher that has gone on. Closed segments are deleted after some seconds; a watcher that finds its
 * segment gone has missed something. No clock is compared, no host is trusted to have a sequence; the time that
 * segments lie only decides how often somebody has to read everything.
 */
import { randomBytes } from 'node:crypto'
import * as z from 'zod'

export interface LogItem {
  path: string
  index: number
  text: string
}

/** A record's path (keys.ts) and its value; undefined when the record is gone. */
export interface LoggedChange {
  path: string
  value: unknown
}

export interface LogEntry {
  index: number
  changes: LoggedChange[]
}

/** `next`: the segment to go on with, when this one is closed. */
export type LogAnswer = { entries: LogEntry[]; top: number; next: number } | { gap: string }

/** What a commit writes and what it relies on. */
export interface LogCommit {
  path: string
  text: string
  /** Must be there. */
  head: string
  /** Must not be there; is made when the entry closes its segment. */
  nextHead: string
  closes: boolean
  /** Folders of old segments. */
  deletes: string[]
  /** It has happened. */
  done(): void
  /** The next head was there: another commit has closed the segment. */
  late(): void
}

export interface Changelog {
  /** The whole log, behind the prefix. */
  folder: string
  folderOf(segment: number): string
  /** Where a watch begins that has read everything. */
  newest(): number
  entryFor(changes: readonly LoggedChange[], maxDeletes: number): LogCommit
  /** After a full read, with all of the log. The head that is missing, when the log cannot go on without one. */
  adopt(items: readonly LogItem[]): string | undefined
  /** What the watch delivered of a segment: entries above `upTo` in the order of their commits, or the reason to read everything. */
  follow(items: readonly LogItem[], segment: number, upTo: number): LogAnswer
}

export interface ChangelogOptions {
  host: string
  retentionMs: number
  /** A segment is closed when an answer with it is longer, roughly. */
  segmentBytes?: number
  now: () => number
}

const format = z.object({
  next: z.number().int().optional(),
  changes: z.array(z.union([z.tuple([z.string()]), z.tuple([z.string(), z.unknown()])])),
})

/** Beside the values, for each key of an answer: its name, its indexes. */
const envelopeBytes = 200

export function createChangelog(options: ChangelogOptions): Changelog {
  const { host, retentionMs, segmentBytes = 3000, now } = options
  const boot = randomBytes(6).toString('hex')
  /** Closed segment → since when we know it. */
  const closed = new Map<number, number>()
  /** The segment that the watch is at: its entries, and its head's index, which another one of that number has not. */
  let seen: { segment: number; paths: string[]; head?: number | undefined } = { segment: 0, paths: [] }
  let newest = 1
  /** Where the next entry goes, and how long an answer with what is there already is. */
  let open = { segment: 1, bytes: 0 }
  let count = 0

  const close = (segment: number): void => {
    if (!closed.has(segment)) closed.set(segment, now())
    if (open.segment <= segment) open = { segment: segment + 1, bytes: 0 }
  }

  return {
    folder: 'changes/',
    folderOf,
    newest: () => newest,
    entryFor(changes, maxDeletes) {
      const { segment, bytes } = open
      const closes = bytes > segmentBytes
      const text = write(changes, closes ? segment + 1 : undefined)
      const old = [...closed].filter(([, at]) => now() - at > retentionMs).slice(0, maxDeletes)
      return {
        ...{ text, closes, head: headOf(segment), nextHead: headOf(segment + 1) },
        path: `${folderOf(segment)}${encodeURIComponent(host)}/${boot}-${++count}`,
        deletes: old.map(([it]) => folderOf(it)),
        done() {
          for (const [it] of old) closed.delete(it)
          if (closes) close(segment)
          else if (open.segment === segment) open.bytes += lengthOf({ text })
        },
        late: () => close(segment),
      }
    },
    adopt(items) {
      const heads = items.flatMap(({ path }) => segmentOfHead(path) ?? []).sort((a, b) => a - b)
      newest = heads.at(-1) ?? 1
      if (heads.length === 0) return headOf(1)
      const entries = items.filter(({ path }) => isEntryOf(newest, path))
      const next = entries.map((item) => read(item)?.next).find((it) => it !== undefined)
      for (const it of closed.keys()) if (!heads.includes(it) || it === newest) closed.delete(it)
      open = { segment: newest, bytes: 0 }
      for (const it of heads.slice(0, -1)) close(it)
      return next === undefined ? undefined : headOf(next)
    },
    follow(items, segment, upTo) {
      const paths = new Set(items.map(({ path }) => path))
      const before: Partial<typeof seen> = seen.segment === segment ? seen : {}
      const missing = before.paths?.find((path) => !paths.has(path))
      const entries = items.filter(({ path }) => isEntryOf(segment, path))
      const head = items.find(({ path }) => path === headOf(segment))
      if (head === undefined) return { gap: `segment ${segment} of the log is gone` }
      seen = { segment, paths: entries.map(({ path }) => path), head: head.index }
      if (before.head !== undefined && before.head !== head.index)
        return { gap: `segment ${segment} of the log is not the one that it was` }
      if (missing !== undefined) return { gap: `the log entry ${missing} was deleted by somebody` }
      const all = entries.map((item) => ({ item, entry: read(item) }))
      const bad = all.find(({ entry, item }) => entry === undefined && item.index > upTo)
      if (bad !== undefined) return { gap: `the log entry ${bad.item.path} cannot be read` }
      const closing = all.find(({ entry }) => entry?.next !== undefined)?.entry
      const next = closing?.next
      if (next !== undefined) {
        close(segment)
        // One transaction has closed this one and made the next one's head.
        seen = { segment: next, paths: [], head: closing?.index }
      } else if (open.segment === segment) open.bytes = entries.reduce((sum, it) => sum + lengthOf(it), 0)
      const fresh = all.flatMap(({ entry }) => (entry !== undefined && entry.index > upTo ? [entry] : []))
      fresh.sort((a, b) => a.index - b.index)
      return { entries: fresh, top: fresh.at(-1)?.index ?? upTo, next: next ?? segment }
    },
  }
}

function folderOf(segment: number): string {
  return `changes/${segment}/`
}

function headOf(segment: number): string {
  return `${folderOf(segment)}head`
}

function segmentOfHead(path: string): number | undefined {
  const found = /^changes\/(\d+)\/head$/.exec(path)?.[1]
  return found === undefined ? undefined : Number(found)
}

function isEntryOf(segment: number, path: string): boolean {
  return path.startsWith(folderOf(segment)) && path !== headOf(segment)
}

/** In an answer of Consul's, in base64. */
function lengthOf({ text }: { text: string }): number {
  return Math.ceil((text.length * 4) / 3) + envelopeBytes
}

function write(changes: readonly LoggedChange[], next: number | undefined): string {
  return JSON.stringify({
    next,
    changes: changes.map(({ path, value }) => (value === undefined ? [path] : [path, value])),
  })
}

function read({ index, text }: LogItem): (LogEntry & { next: number | undefined }) | undefined {
  try {
    const { next, changes } = format.parse(JSON.parse(text))
    return { index, next, changes: changes.map(([path, value]) => ({ path, value })) }
  } catch {
    // Written by hand, or by a version that we do not know: the caller reads everything instead.
    return undefined
  }
}
