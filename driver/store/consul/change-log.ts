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
 * none, so that no entry is written behind a watch that has moved on. Closed segments are deleted after a
 * minute, and sooner where they are large; a watch that finds its segment deleted has missed entries. No
 * clocks are compared, and no host needs a sequence number; the retention only decides how often a host has
 * to read everything. An earlier driver deletes each segment 5 s after its closing.
 */
import { randomBytes } from 'node:crypto'
import * as z from 'zod'
import { jsonIn } from '../../core/json.ts'

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
  /** A watch starts after a full read: in the segment that was the newest one then. */
  start(): number
  /** The newest segment that was seen, and the newest entry: in it, or the one that made it. */
  position(): { segment: number; entry?: string | undefined }
  /** `asks`: hosts that are to read everything at once. */
  entryFor(changes: readonly LoggedChange[], maxDeletes: number, asks?: readonly string[]): LogCommit
  /**
   * After a full read, with all keys of the log. Returns the head that must be created before the log can
   * continue. `isSamePast`: the read has all that this host knew when the read was sent. What the watch and
   * this host's commits have learnt since stays then.
   */
  adopt(items: readonly LogItem[], isSamePast?: boolean): string | undefined
  /**
   * Must be called before a list of the log alone is sent. The list goes to the returned function: the next
   * entry is then written into the newest segment. False: the log lacks what this host knew.
   */
  reopen(): (items: readonly LogItem[]) => boolean
  /** Entries of a segment above `upTo`, in the order of their commits; or the reason to read everything. */
  follow(items: readonly LogItem[], segment: number, upTo: number): LogAnswer
}

export interface ChangelogOptions {
  host: string
  /** A closed segment is kept for this time, and for `longRetention` times as long within `keptBytes`. */
  retentionMs: number
  /** A segment is closed when an answer with it is longer than this, roughly. */
  segmentBytes?: number
  now: () => number
}

const format = z.object({
  next: z.number().int().optional(),
  asks: z.array(z.string()).optional(),
  changes: z.array(z.union([z.tuple([z.string()]), z.tuple([z.string(), z.unknown()])])),
})

/** Per key of an answer, beside its value: name, indexes, JSON. */
const envelopeBytes = 200

/** The newest closed segments, of together so many bytes, are kept for longer. */
const keptBytes = 1_000_000
const longRetention = 12

/** Undefined where the text cannot be read. */
type ReadEntry = (LogEntry & { next: number | undefined; asks: string[] | undefined }) | undefined

interface KnownEntry {
  item: LogItem
  entry: ReadEntry
}

interface ChangelogState {
  options: Required<ChangelogOptions>
  /** Distinguishes the entries of this start of the driver from those of an earlier start. */
  boot: string
  /** Entries written since the start. */
  count: number
  /** Closed segment → when this host learnt of it, and the length of an answer with it. */
  closed: Map<number, { at: number; bytes: number }>
  /**
   * The watch's segment: its entries by path, so that each is read once, and the index of its head. A later
   * segment of the same number has another index.
   */
  watched: { segment: number; entries: ReadonlyMap<string, KnownEntry>; head?: number | undefined }
  /** Of the last full read. `head`: index of its head. */
  newest: { segment: number; head?: number | undefined }
  /** The log lacks what this host knew: the next full read says where the next entry goes. */
  isAhead: boolean
  /** The segment of the next entry, and the length of an answer with its present entries. */
  open: { segment: number; bytes: number }
  /** `index`: of the entry. */
  position: ReturnType<Changelog['position']> & { index: number }
}

export function createChangelog(options: ChangelogOptions): Changelog {
  const state: ChangelogState = {
    options: { segmentBytes: 3000, ...options },
    boot: randomBytes(6).toString('hex'),
    count: 0,
    closed: new Map(),
    watched: { segment: 0, entries: new Map() },
    newest: { segment: 1 },
    isAhead: false,
    open: { segment: 1, bytes: 0 },
    position: { segment: 0, index: 0 },
  }
  return {
    folder: 'changes/',
    folderOf,
    start: () => start(state),
    position: () => ({ segment: state.position.segment, entry: state.position.entry }),
    entryFor: (changes, maxDeletes, asks) => entryFor(state, changes, maxDeletes, asks),
    adopt: (items, isSamePast = false) => adopt(state, items, isSamePast),
    reopen: () => reopen(state),
    follow: (items, segment, upTo) => follow(state, items, segment, upTo),
  }
}

function entryFor(
  state: ChangelogState,
  changes: readonly LoggedChange[],
  maxDeletes: number,
  asks: readonly string[] | undefined,
): LogCommit {
  const { host, segmentBytes } = state.options
  const { segment, bytes } = state.open
  const closes = bytes > segmentBytes
  const text = write(changes, closes ? segment + 1 : undefined, asks)
  const old = expired(state).slice(0, maxDeletes)
  state.count += 1
  return {
    text,
    closes,
    head: headOf(segment),
    nextHead: headOf(segment + 1),
    path: `${folderOf(segment)}${encodeURIComponent(host)}/${state.boot}-${state.count}`,
    deletes: old.map(folderOf),
    applied() {
      for (const it of old) state.closed.delete(it)
      if (closes) close(state, segment, bytes + lengthOf({ text }))
      else if (state.open.segment === segment) state.open.bytes += lengthOf({ text })
    },
    segmentClosed: () => close(state, segment, bytes),
  }
}

/**
 * Closed segments that nothing keeps any more, the oldest first. None is deleted before an earlier one: a
 * commit into that one would find no head of a later segment, and be written behind every watch.
 */
function expired({ closed, options: { retentionMs, now } }: ChangelogState): number[] {
  let bytes = 0
  const isOld = ([, { at, bytes: own }]: [number, { at: number; bytes: number }]): boolean => {
    bytes += own
    return now() - at > (bytes > keptBytes ? retentionMs : longRetention * retentionMs)
  }
  const newestFirst = [...closed].sort(([a], [b]) => b - a)
  const oldestFirst = newestFirst.map((it) => ({ segment: it[0], isOld: isOld(it) })).reverse()
  const kept = oldestFirst.findIndex((it) => !it.isOld)
  return oldestFirst.slice(0, kept === -1 ? undefined : kept).map(({ segment }) => segment)
}

function start(state: ChangelogState): number {
  const { segment, head } = state.newest
  state.watched = { segment, entries: new Map(), head }
  return segment
}

function adopt(state: ChangelogState, items: readonly LogItem[], isSamePast: boolean): string | undefined {
  const heads = headsIn(items)
  const newest = heads.at(-1)
  state.newest = newest ?? { segment: 1 }
  if (newest === undefined) return headOf(1)
  const { segment } = newest
  const entries = entriesOf(items, segment)
  const seen = newestOf(entries) ?? closingOf(items, segment)
  const at = seen?.index ?? newest.head
  if (!isSamePast || at >= state.position.index) state.position = { segment, entry: seen?.path, index: at }
  if (!isSamePast || state.isAhead || segment > state.open.segment)
    state.open = { segment, bytes: bytesOf(entries) }
  state.isAhead = false
  const there = new Set(heads.map((head) => head.segment))
  for (const it of state.closed.keys())
    if (it >= state.open.segment || (it < segment && !there.has(it))) state.closed.delete(it)
  closeEarlier(state, items)
  const next = nextIn(entries)
  return next === undefined ? undefined : headOf(next)
}

function reopen(state: ChangelogState): (items: readonly LogItem[]) => boolean {
  const { open, position } = state
  return (items) => {
    const segment = newestIn(items) ?? 0
    const isShorter = segment < Math.max(open.segment, position.segment)
    state.isAhead = isShorter || (position.entry !== undefined && lacks(items, position.entry))
    if (state.isAhead) return false
    closeEarlier(state, items)
    const entries = entriesOf(items, segment)
    if (segment > state.open.segment) state.open = { segment, bytes: bytesOf(entries) }
    return true
  }
}

function follow(state: ChangelogState, items: readonly LogItem[], segment: number, upTo: number): LogAnswer {
  const before: Partial<ChangelogState['watched']> = state.watched.segment === segment ? state.watched : {}
  const entries = entriesOf(items, segment)
  const head = items.find(({ path }) => path === headOf(segment))
  if (head === undefined) return { gap: `segment ${segment} of the log is gone` }
  const all = entries.map((item) => known(before.entries?.get(item.path), item))
  const present = new Map(all.map((it) => [it.item.path, it]))
  state.watched = { segment, entries: present, head: head.index }
  if (before.head !== undefined && before.head !== head.index)
    return { gap: `segment ${segment} of the log was replaced` }
  const missing = [...(before.entries?.keys() ?? [])].find((path) => !present.has(path))
  if (missing !== undefined) return { gap: `the log entry ${missing} was deleted by hand` }
  const bad = all.find(({ entry, item }) => entry === undefined && item.index > upTo)
  if (bad !== undefined) return { gap: `the log entry ${bad.item.path} cannot be read` }
  const asking = all.find(({ entry, item }) => item.index > upTo && entry?.asks?.includes(state.options.host))
  if (asking !== undefined) return { gap: `the log entry ${asking.item.path} asks for it` }
  const closing = all.find(({ entry }) => entry?.next !== undefined)
  const next = closing?.entry?.next
  const seen = next === undefined ? newestOf(entries) : closing?.item
  if (seen !== undefined || state.position.segment !== segment)
    state.position = { segment: next ?? segment, entry: seen?.path, index: seen?.index ?? head.index }
  if (next !== undefined) {
    close(state, segment, bytesOf(entries))
    // One transaction has closed this segment and created the head of the next one.
    state.watched = { segment: next, entries: new Map(), head: closing?.item.index }
  } else if (state.open.segment === segment) state.open.bytes = bytesOf(entries)
  const fresh = all.flatMap(({ entry }) => (entry !== undefined && entry.index > upTo ? [entry] : []))
  fresh.sort((a, b) => a.index - b.index)
  return { entries: fresh, top: fresh.at(-1)?.index ?? upTo, next: next ?? segment }
}

/**
 * Every commit above `index`, oldest first; undefined where the log does not reach so far back, or cannot be
 * read.
 */
export function entriesSince(items: readonly LogItem[], index: number): LogEntry[] | undefined {
  const heads = new Map(headsIn(items).map(({ segment, head }) => [segment, head]))
  // No entry is in a segment that was closed before: its head is of the commit that closed the one before it.
  let first = Math.max(...heads.keys())
  while ((heads.get(first) ?? 0) > index) first -= 1
  if (!heads.has(first)) return undefined
  const segments = [...heads.keys()].filter((segment) => segment >= first)
  const fresh = items.filter((item) => item.index > index && segments.some((it) => isEntryOf(it, item.path)))
  const entries = fresh.flatMap((item) => read(item) ?? [])
  return entries.length < fresh.length ? undefined : entries.sort((a, b) => a.index - b.index)
}

/**
 * Where a reader of the segment continues, of a list with all of its keys; undefined where the segment is
 * gone.
 */
export function continuationIn(items: readonly LogItem[], segment: number): number | undefined {
  if (!items.some(({ path }) => path === headOf(segment))) return undefined
  return nextIn(entriesOf(items, segment)) ?? segment
}

/** All segments of a list of the log but its newest. */
function closeEarlier(state: ChangelogState, items: readonly LogItem[]): void {
  const bytes = bytesBySegment(items)
  for (const { segment } of headsIn(items).slice(0, -1)) close(state, segment, bytes.get(segment))
}

function nextIn(entries: readonly LogItem[]): number | undefined {
  return entries.map((item) => read(item)?.next).find((it) => it !== undefined)
}

function close(state: ChangelogState, segment: number, bytes = 0): void {
  const at = state.closed.get(segment)?.at ?? state.options.now()
  state.closed.set(segment, { at, bytes })
  if (state.open.segment <= segment) state.open = { segment: segment + 1, bytes: 0 }
}

function folderOf(segment: number): string {
  return `changes/${segment}/`
}

export function headOf(segment: number): string {
  return `${folderOf(segment)}head`
}

/** An entry of the log is missing: its segment is there. A closed segment is deleted as a whole. */
export function lacks(items: readonly LogItem[], entry: string): boolean {
  const [folder = ''] = /^changes\/\d+\//.exec(entry) ?? []
  const has = (wanted: string): boolean => items.some(({ path }) => path === wanted)
  return has(`${folder}head`) && !has(entry)
}

/** The newest segment of a list of the log; undefined without one. */
export function newestIn(items: readonly LogItem[]): number | undefined {
  return headsIn(items).at(-1)?.segment
}

/** `head`: its index. */
function headsIn(items: readonly LogItem[]): { segment: number; head: number }[] {
  const heads = items.flatMap(({ path, index }) => {
    const found = /^changes\/(\d+)\/head$/.exec(path)?.[1]
    return found === undefined ? [] : [{ segment: Number(found), head: index }]
  })
  return heads.sort((a, b) => a.segment - b.segment)
}

function newestOf(items: readonly LogItem[]): LogItem | undefined {
  return items.reduce<LogItem | undefined>((a, b) => (a && a.index > b.index ? a : b), undefined)
}

/** The entry that closed the segment before. */
function closingOf(items: readonly LogItem[], segment: number): LogItem | undefined {
  return entriesOf(items, segment - 1).find((item) => read(item)?.next === segment)
}

function entriesOf(items: readonly LogItem[], segment: number): LogItem[] {
  return items.filter(({ path }) => isEntryOf(segment, path))
}

function isEntryOf(segment: number, path: string): boolean {
  return path.startsWith(folderOf(segment)) && path !== headOf(segment)
}

/** Length in an answer of Consul: base64 and envelope. */
function lengthOf({ text }: { text: string }): number {
  return Math.ceil((text.length * 4) / 3) + envelopeBytes
}

function bytesOf(items: readonly LogItem[]): number {
  return items.reduce((sum, it) => sum + lengthOf(it), 0)
}

function bytesBySegment(items: readonly LogItem[]): Map<number, number> {
  const bytes = new Map<number, number>()
  for (const item of items) {
    const segment = Number(item.path.split('/')[1])
    bytes.set(segment, (bytes.get(segment) ?? 0) + lengthOf(item))
  }
  return bytes
}

function write(changes: readonly LoggedChange[], next?: number, asks?: readonly string[]): string {
  return JSON.stringify({
    next,
    asks,
    changes: changes.map(({ path, value }) => (value === undefined ? [path] : [path, value])),
  })
}

/** As it was read in an earlier answer; anew when the key was written since. */
function known(before: KnownEntry | undefined, item: LogItem): KnownEntry {
  return before?.item.index === item.index ? before : { item, entry: read(item) }
}

/** Undefined for an entry by hand or of an unknown version: the caller reads everything instead. */
function read({ index, text }: LogItem): ReadEntry {
  const { data } = format.safeParse(jsonIn(text))
  if (data === undefined) return undefined
  const { next, asks, changes } = data
  return { index, next, asks, changes: changes.map(([path, value]) => ({ path, value })) }
}
