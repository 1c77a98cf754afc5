/**
 * A short log of commits beside the records, so that following the store costs what changed, not what exists.
 *
 * Every commit writes one entry, in its own transaction, with the new values. Consul gives all keys of a
 * transaction one ModifyIndex, so the entry's index is the records' index. Watchers block on the log's folder alone.
 *
 * A commit also deletes entries that have lain for some seconds. Its own entry names the highest index that it
 * deleted: the `floor`. So for every deleted entry there is a younger one with a floor as high, and a watcher that
 * meets a floor above what it has seen knows that it missed something. No clock is compared, no host is trusted to
 * have a sequence; the time that entries lie only decides how often somebody has to read everything.
 */
import { randomBytes } from 'node:crypto'
import { z } from 'zod'

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

export type LogAnswer = { entries: LogEntry[]; top: number } | { gap: string }

export interface Changelog {
  /** The folder, behind the prefix. */
  folder: string
  /** The entry of a commit, and the entries that it deletes. */
  entryFor(
    changes: readonly LoggedChange[],
    maxDeletes: number,
  ): { path: string; text: string; deletes: string[] }
  /** After a full read: these entries are in what was read. */
  adopt(items: readonly LogItem[]): void
  /** What the watch delivered: entries above `upTo` in the order of their commits, or the reason to read everything. */
  follow(items: readonly LogItem[], upTo: number): LogAnswer
}

const format = z.object({
  floor: z.number().int().min(0),
  changes: z.array(z.union([z.tuple([z.string()]), z.tuple([z.string(), z.unknown()])])),
})

export function createChangelog(options: {
  host: string
  retentionMs: number
  now: () => number
}): Changelog {
  const { host, retentionMs, now } = options
  const boot = randomBytes(6).toString('hex')
  const seen = new Map<string, { index: number; at: number }>()
  let count = 0

  const adopt = (items: readonly LogItem[]): void => {
    const present = new Map(items.map(({ path, index }) => [path, index]))
    for (const path of seen.keys()) if (!present.has(path)) seen.delete(path)
    for (const [path, index] of present) {
      if (seen.get(path)?.index !== index) seen.set(path, { index, at: now() })
    }
  }

  return {
    folder: 'changes/',
    adopt,
    entryFor(changes, maxDeletes) {
      const old = [...seen].filter(([, { at }]) => now() - at > retentionMs).slice(0, maxDeletes)
      const floor = Math.max(0, ...old.map(([, { index }]) => index))
      const path = `changes/${encodeURIComponent(host)}/${boot}-${++count}`
      return { path, text: write(floor, changes), deletes: old.map(([old]) => old) }
    },
    follow(items, upTo) {
      const newest = newestOf(seen)
      const fresh = items.filter(({ index }) => index > upTo).sort((a, b) => a.index - b.index)
      const parsed = fresh.map(read)
      const bad = fresh.find((_, i) => parsed[i] === undefined)
      const floor = Math.max(0, ...parsed.map((entry) => entry?.floor ?? 0))
      adopt(items)
      if (bad !== undefined) return { gap: `the log entry ${bad.path} cannot be read` }
      if (floor > upTo) return { gap: `log entries up to ${floor} are gone, ${upTo} was the last one seen` }
      if (newest !== undefined && !seen.has(newest.path) && floor < newest.index) {
        return { gap: `the log entry ${newest.path} was deleted by somebody else` }
      }
      return { entries: parsed.filter((entry) => entry !== undefined), top: fresh.at(-1)?.index ?? upTo }
    },
  }
}

function newestOf(seen: ReadonlyMap<string, { index: number }>): { path: string; index: number } | undefined {
  let newest: { path: string; index: number } | undefined
  for (const [path, { index }] of seen) if (index > (newest?.index ?? 0)) newest = { path, index }
  return newest
}

function write(floor: number, changes: readonly LoggedChange[]): string {
  return JSON.stringify({
    floor,
    changes: changes.map(({ path, value }) => (value === undefined ? [path] : [path, value])),
  })
}

function read({ index, text }: LogItem): (LogEntry & { floor: number }) | undefined {
  try {
    const { floor, changes } = format.parse(JSON.parse(text))
    return { index, floor, changes: changes.map(([path, value]) => ({ path, value })) }
  } catch {
    // Written by hand, or by a version that we do not know: the caller reads everything instead.
    return undefined
  }
}
