/**
 * The file of the disk copy: a header that names the store, then one JSON line per record. A later line of a
 * key replaces an earlier one.
 *
 * Changes are appended, so that a save costs what changed. When more than half of the lines are outdated, the
 * file is written anew under another name and renamed. Only then it is fsynced: after a crash an older copy
 * serves as well, because the copy is used only until Consul answers. So does a copy with a hole, since what
 * it lacks is unknown until then. An incomplete last line is ignored.
 */
import { appendFile, constants, mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import * as z from 'zod'
import { isCode } from '../core/errors.ts'
import type { Snapshot, Table } from '../core/records.ts'
import { type AnyDelta, applyDeltas, emptySnapshot, tables } from '../core/snapshot.ts'
import { readIfThere, unwritable } from './durable-file.ts'
import type { Position } from './incarnation.ts'
import { checkRecord } from './schemas.ts'
import type { ChangedKey } from './store.ts'

const headLine = z.object({ format: z.union([z.literal(2), z.literal(3)]), store: z.string() })
/** The last one counts. Format 2, of the first releases, has none. */
const positionLine = z.object({
  cluster: z
    .object({ id: z.string(), restored: z.string().optional(), past: z.array(z.string()).optional() })
    .optional(),
  segment: z.number(),
  entry: z.string().optional(),
  index: z.number().optional(),
  isPartial: z.literal(true).optional(),
})
/** Without an index: the record is gone. */
const recordLine = z.tuple([z.enum(tables), z.string(), z.number().optional(), z.unknown().optional()])

export interface DiskCopyFile {
  /** Brings the file to what the snapshot says of these keys, and to the position. Throws `kernel`. */
  save(snapshot: Snapshot, changed: Iterable<ChangedKey>, position?: Position): Promise<void>
}

/** Outdated lines that are always allowed. */
const allowedOutdatedLines = 1000
const linesPerWrite = 500

export function openDiskCopyFile(path: string, store: string): DiskCopyFile {
  /** Lines in the file; undefined while its content is unknown. */
  let lines: number | undefined
  let savedPosition = ''
  return {
    async save(snapshot, changed, position = { segment: 0 }) {
      const had = lines
      const now = positionText(position)
      const fresh = [...changed].map((at) => line(snapshot, at))
      if (now !== savedPosition) fresh.push(now)
      const appends = had !== undefined && had + fresh.length <= 2 * sizeOf(snapshot) + allowedOutdatedLines
      // After a failure the content of the file is unknown: it is written anew.
      lines = undefined
      const written = appends
        ? appendFile(path, fresh.join(''), { flag: appendOnly })
        : writeAnew(path, store, snapshot, position)
      await written.catch((error: unknown) => {
        throw unwritable(path, error)
      })
      lines = appends ? had + fresh.length : sizeOf(snapshot) + 1
      savedPosition = now
    },
  }
}

/** Without O_CREAT: a file that was deleted meanwhile must not begin in the middle. */
const appendOnly = constants.O_WRONLY | constants.O_APPEND

/** Writes in pieces, so that a large copy does not block the event loop. The snapshot is immutable. */
async function writeAnew(path: string, store: string, snapshot: Snapshot, position: Position): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    let piece = [`${JSON.stringify({ format: 3, store })}\n`, positionText(position)]
    for (const table of tables) {
      for (const key of snapshot[table].keys()) {
        piece.push(line(snapshot, { table, key }))
        if (piece.length < linesPerWrite) continue
        await file.write(piece.join(''))
        piece = []
      }
    }
    await file.write(piece.join(''))
    // Otherwise the new name can be on the disk before the content, which is then NUL bytes.
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}

function line(snapshot: Snapshot, { table, key }: ChangedKey): string {
  const record = snapshot[table].get(key)
  return `${JSON.stringify(record === undefined ? [table, key] : [table, key, record.index, record.value])}\n`
}

function positionText({ cluster, segment, entry, index, isPartial }: Position): string {
  const { id, restored, past } = cluster ?? {}
  const named = cluster && { id, restored, past }
  return `${JSON.stringify({ cluster: named, segment, entry, index, isPartial })}\n`
}

function sizeOf(snapshot: Snapshot): number {
  return tables.reduce((sum, table) => sum + snapshot[table].size, 0)
}

export interface ReadCopy {
  snapshot: Snapshot
  position: Position
  /** Lines that cannot be read. What they said is unknown: the records are a part of what was saved. */
  unreadable: number
}

/**
 * Undefined when there is no copy. A copy that names its cluster is valid at every address of the store; an
 * older one only at the same address. Of damaged lines the earlier ones of a key, and of the position, count.
 * A record that this version cannot read makes the position a partial one.
 */
export async function readDiskCopyFile(path: string, store: string): Promise<ReadCopy | undefined> {
  const text = await readIfThere(path)
  if (text === undefined) return undefined
  // A last line without a line feed is incomplete.
  const [first = '', ...rest] = text.split('\n').slice(0, -1)
  const head = readable(() => headLine.parse(JSON.parse(first)))
  const read = rest.map((line) => readable(() => contentOf(line)))
  const position = read.findLast((it) => it !== undefined && 'position' in it)?.position ?? { segment: 0 }
  const unreadable = [head, ...read].filter((it) => it === undefined).length
  if (head !== undefined && head.store !== store && position.cluster === undefined) return undefined
  // Nothing says which store the records are of.
  const isAnonymous = head === undefined && position.cluster === undefined
  const deltas = isAnonymous ? [] : read.flatMap((it) => it?.deltas ?? [])
  const isPartial = position.isPartial || read.some((it) => it?.isOfLaterVersion)
  return {
    snapshot: applyDeltas(emptySnapshot(), deltas),
    position: { ...position, ...(isPartial && { isPartial }) },
    unreadable,
  }
}

/** Undefined for what a power failure, a defective disk or another version has made of a line. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    // Counted, and said once.
    return undefined
  }
}

interface Content {
  position?: Position
  deltas?: AnyDelta[]
  /** A record whose value does not match the schema of this version. */
  isOfLaterVersion?: boolean
}

function contentOf(line: string): Content {
  const content: unknown = JSON.parse(line)
  return Array.isArray(content) ? recordIn(content) : { position: positionLine.parse(content) }
}

/** The address of the store in the copy's header. Undefined without a copy, or without one that can be read. */
export async function storeOfDiskCopy(path: string): Promise<string | undefined> {
  try {
    const [head = ''] = (await readFile(path, 'utf8')).split('\n')
    return headLine.parse(JSON.parse(head)).store
  } catch {
    return undefined
  }
}

function recordIn(line: unknown[]): Content {
  const [table, key, index, value] = recordLine.parse(line)
  if (index === undefined) return { deltas: [{ table, key, record: undefined }] }
  const known = checked(table, key, value)
  if (known === undefined) return { isOfLaterVersion: true }
  // The value was checked against the schema of `table`.
  return { deltas: [{ table, key, record: { index, value: known } } as AnyDelta] }
}

/**
 * Undefined for a value that does not match the schema of this version: Consul will deliver the current one.
 */
function checked(table: Table, key: string, value: unknown): unknown {
  try {
    return checkRecord(table, key, value)
  } catch (error) {
    if (isCode(error, 'corrupt')) return undefined
    throw error
  }
}

export interface SaverOptions {
  everyMs: number
  /** After a failure. */
  againMs: number
  /** With the error of each save, or without one. */
  told: (error?: unknown) => void
}

/**
 * Saves at most once in `everyMs`, and again after a failure. The last change is always saved, by `flush` at
 * the latest, after which nothing is saved without a change.
 */
export function createSaver(
  { everyMs, againMs, told }: SaverOptions,
  save: () => Promise<void>,
): { touch: () => void; flush: () => Promise<void> } {
  let timer: NodeJS.Timeout | undefined
  let saving: Promise<void> = Promise.resolve()
  const after = (ms: number): void => {
    timer ??= setTimeout(() => run(() => after(againMs)), ms).unref()
  }
  const run = (failed: () => void): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    const done = (error?: unknown): void => {
      told(error)
      if (error !== undefined) failed()
    }
    saving = saving.then(save).then(() => done(), done)
    return saving
  }
  return {
    touch: () => after(everyMs),
    flush: () => (timer === undefined ? saving : run(() => undefined)),
  }
}
