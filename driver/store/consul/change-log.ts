/**
 * A short log of commits beside the records, so that following the store costs what changes, not what exists.
 *
 * Every commit writes one entry with the new values, in its own transaction. Consul gives all keys of a
 * transaction one ModifyIndex, so the entry's index is the records' index.
 *
 * Consul answers a watch with the whole folder. So the log is cut into segments, `changes/7/…`, and watches
 * block on the last segment only: an answer has a few entries, however many commits there were in the last
 * seconds. A segment exists when it has a head. A commit that finds its segment full creates the head of the
 * next one and names it in its entry. Every commit requires that its segment has a head and the next one has
 * none, so that no entry is written behind a watch that has moved on. Closed segments are deleted after some
 * seconds; a watch that finds its segment deleted has missed entries. No clocks are compared, and no host
 * needs a sequence number; the retention time only decides how often a host has to read everything.
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

/** `next`: the segment to continue with. `gap`: why everything must be read again. */
export type LogAnswer = { entries: LogEntry[]; top: number; next: number } | { gap: string }

/** What a commit writes, and the state of the log that it requires. */
export interface LogCommit {
  path: string
  text: string
  /** Must exist. */
  head: string
  /** Must not exist. Created when the entry closes its segment. */
  nextHead: string
  closes: boolean
  /** Folders of old segments. */
  deletes: string[]
  /** The commit was applied. */
  applied(): void
  /** The next head existed: another commit has closed the segment. */
  segmentClosed(): void
}

export interface Changelog {
  /** Path of the whole log, after the prefix. */
  folder: string
  folderOf(segment: number): string
  /** The segment where a watch starts after a full read. */
  newest(): number
  /** The newest segment that was seen, and the newest entry in it. */
  position(): { segment: number; entry?: string | undefined }
  entryFor(changes: readonly LoggedChange[], maxDeletes: number): LogCommit
  /**
   * After a full read, with all keys of the log. Returns the head that must be created before the log can
   * continue.
   */
  adopt(items: readonly LogItem[]): string | undefined
  /** Entries of a segment above `upTo`, in the order of their commits; or the reason to read everything. */
  follow(items: readonly LogItem[], segment: number, upTo: number): LogAnswer
}

export interface ChangelogOptions {
  host: string
  retentionMs: number
  /** A segment is closed when an answer with it is longer than this, roughly. */
  segmentBytes?: number
  now: () => number
}

const format = z.object({
  next: z.number().int().optional(),
  changes: z.array(z.union([z.tuple([z.string()]), z.tuple([z.string(), z.unknown()])])),
})

/** Per key of an answer, beside its value: name, indexes, JSON. */
const envelopeBytes = 200

export function createChangelog(options: ChangelogOptions): Changelog {
  const { host, retentionMs, segmentBytes = 3000, now } = options
  const boot = randomBytes(6).toString('hex')
  /** Closed segment → time at which this host learnt of it. */
  const closed = new Map<number, number>()
  /**
   * The watch's segment: its entries, and the index of its head, which differs from that of a later segment
   * of the same number.
   */
  let watched: { segment: number; paths: string[]; head?: number | undefined } = { segment: 0, paths: [] }
  let newest = 1
  /** The segment of the next entry, and the length of an answer with its present entries. */
  let open = { segment: 1, bytes: 0 }
  let count = 0
  let position: ReturnType<Changelog['position']> = { segment: 0 }

  const close = (segment: number): void => {
    if (!closed.has(segment)) closed.set(segment, now())
    if (open.segment <= segment) open = { segment: segment + 1, bytes: 0 }
  }

  return {
    folder: 'changes/',
    folderOf,
    newest: () => newest,
    position: () => position,
    entryFor(changes, maxDeletes) {
      const { segment, bytes } = open
      const closes = bytes > segmentBytes
      const text = write(changes, closes ? segment + 1 : undefined)
      const old = [...closed].filter(([, at]) => now() - at > retentionMs).slice(0, maxDeletes)
      return {
        text,
        closes,
        head: headOf(segment),
        nextHead: headOf(segment + 1),
        path: `${folderOf(segment)}${encodeURIComponent(host)}/${boot}-${++count}`,
        deletes: old.map(([it]) => folderOf(it)),
        applied() {
          for (const [it] of old) closed.delete(it)
          if (closes) close(segment)
          else if (open.segment === segment) open.bytes += lengthOf({ text })
        },
        segmentClosed: () => close(segment),
      }
    },
    adopt(items) {
      const heads = items.flatMap(({ path }) => segmentOfHead(path) ?? []).sort((a, b) => a - b)
      newest = heads.at(-1) ?? 1
      if (heads.length === 0) return headOf(1)
      const entries = items.filter(({ path }) => isEntryOf(newest, path))
      position = { segment: newest, entry: newestOf(entries) }
      const next = entries.map((item) => read(item)?.next).find((it) => it !== undefined)
      for (const it of closed.keys()) if (!heads.includes(it) || it === newest) closed.delete(it)
      open = { segment: newest, bytes: 0 }
      for (const it of heads.slice(0, -1)) close(it)
      return next === undefined ? undefined : headOf(next)
    },
    follow(items, segment, upTo) {
      const paths = new Set(items.map(({ path }) => path))
      const before: Partial<typeof watched> = watched.segment === segment ? watched : {}
      const missing = before.paths?.find((path) => !paths.has(path))
      const entries = items.filter(({ path }) => isEntryOf(segment, path))
      const head = items.find(({ path }) => path === headOf(segment))
      if (head === undefined) return { gap: `segment ${segment} of the log is gone` }
      watched = { segment, paths: entries.map(({ path }) => path), head: head.index }
      if (before.head !== undefined && before.head !== head.index)
        return { gap: `segment ${segment} of the log was replaced` }
      if (missing !== undefined) return { gap: `the log entry ${missing} was deleted by hand` }
      const all = entries.map((item) => ({ item, entry: read(item) }))
      const bad = all.find(({ entry, item }) => entry === undefined && item.index > upTo)
      if (bad !== undefined) return { gap: `the log entry ${bad.item.path} cannot be read` }
      const closing = all.find(({ entry }) => entry?.next !== undefined)?.entry
      const next = closing?.next
      position = next === undefined ? { segment, entry: newestOf(entries) } : { segment: next }
      if (next !== undefined) {
        close(segment)
        // One transaction has closed this segment and created the head of the next one.
        watched = { segment: next, paths: [], head: closing?.index }
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

export function headOf(segment: number): string {
  return `${folderOf(segment)}head`
}

export function segmentOfHead(path: string): number | undefined {
  const found = /^changes\/(\d+)\/head$/.exec(path)?.[1]
  return found === undefined ? undefined : Number(found)
}

function newestOf(items: readonly LogItem[]): string | undefined {
  return items.reduce<LogItem | undefined>((a, b) => (a && a.index > b.index ? a : b), undefined)?.path
}

function isEntryOf(segment: number, path: string): boolean {
  return path.startsWith(folderOf(segment)) && path !== headOf(segment)
}

/** Length in an answer of Consul: base64 and envelope. */
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
    // Written by hand or by an unknown version: the caller reads everything instead.
    return undefined
  }
}
