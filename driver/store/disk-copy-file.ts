/**
 * The file of the disk copy: a header that names the store, then one JSON line per record. A later line of a
 * key replaces an earlier one.
 *
 * Changes are appended, so that a save costs what changed. When more than half of the lines are outdated, the
 * file is written anew under another name and renamed. Saves are not fsynced: after a crash an older copy
 * serves as well, because the copy is used only until Consul answers. An incomplete last line is ignored.
 */
import { appendFile, constants, mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import * as z from 'zod'
import { isCode } from '../core/errors.ts'
import type { Snapshot, Table } from '../core/records.ts'
import { type AnyDelta, applyDeltas, emptySnapshot, tables } from '../core/snapshot.ts'
import { checkRecord } from './schemas.ts'
import type { ChangedKey } from './store.ts'

const headLine = z.object({ format: z.literal(2), store: z.string() })
/** Table, key, index, value. Without an index the record is deleted. */
const recordLine = z.tuple([z.enum(tables), z.string(), z.number().optional(), z.unknown().optional()])

export interface DiskCopyFile {
  /** Writes the current state of the changed keys. */
  save(snapshot: Snapshot, changed: Iterable<ChangedKey>): Promise<void>
}

/** Outdated lines that are always allowed. */
const allowedOutdatedLines = 1000
const linesPerWrite = 500

export function openDiskCopyFile(path: string, store: string): DiskCopyFile {
  /** Lines in the file; undefined while its content is unknown. */
  let lines: number | undefined
  return {
    async save(snapshot, changed) {
      const before = lines
      const changes = [...changed].map((at) => line(snapshot, at))
      const appends =
        before !== undefined && before + changes.length <= 2 * sizeOf(snapshot) + allowedOutdatedLines
      // After a failure the content of the file is unknown: the next save writes it anew.
      lines = undefined
      if (appends) await appendFile(path, changes.join(''), { flag: appendOnly })
      else await writeAnew(path, store, snapshot)
      lines = appends ? before + changes.length : sizeOf(snapshot)
    },
  }
}

/** Without O_CREAT: a file that was deleted meanwhile must not begin in the middle. */
const appendOnly = constants.O_WRONLY | constants.O_APPEND

/**
 * Written in pieces, so that a large snapshot does not block the event loop. The snapshot is immutable
 * meanwhile.
 */
async function writeAnew(path: string, store: string, snapshot: Snapshot): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    let piece = [`${JSON.stringify({ format: 2, store })}\n`]
    for (const table of tables) {
      for (const key of snapshot[table].keys()) {
        piece.push(line(snapshot, { table, key }))
        if (piece.length < linesPerWrite) continue
        await file.write(piece.join(''))
        piece = []
      }
    }
    await file.write(piece.join(''))
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}

function line(snapshot: Snapshot, { table, key }: ChangedKey): string {
  const record = snapshot[table].get(key)
  return `${JSON.stringify(record === undefined ? [table, key] : [table, key, record.index, record.value])}\n`
}

function sizeOf(snapshot: Snapshot): number {
  return tables.reduce((sum, table) => sum + snapshot[table].size, 0)
}

/**
 * The saved snapshot. Undefined without a copy, or when the copy is of another store. Throws when the file
 * cannot be read.
 */
export async function readDiskCopyFile(path: string, store: string): Promise<Snapshot | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  // A last line without a line feed is incomplete.
  const [head = '', ...rest] = text.split('\n').slice(0, -1)
  if (headLine.parse(JSON.parse(head)).store !== store) return undefined
  return applyDeltas(emptySnapshot(), rest.flatMap(deltaIn))
}

function deltaIn(text: string): AnyDelta[] {
  const [table, key, index, value] = recordLine.parse(JSON.parse(text))
  if (index === undefined) return [{ table, key, record: undefined }]
  const known = checked(table, key, value)
  // The value was checked against the schema of `table`.
  return known === undefined ? [] : [{ table, key, record: { index, value: known } } as AnyDelta]
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

/** Saves at most once in `everyMs`. The last change is always saved, by `flush` at the latest. */
export function createSaver(
  options: { everyMs: number; failed: (error: unknown) => void },
  save: () => Promise<void>,
): { touch: () => void; flush: () => Promise<void> } {
  let timer: NodeJS.Timeout | undefined
  let saving: Promise<void> = Promise.resolve()
  const run = (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    saving = saving.then(save).catch(options.failed)
    return saving
  }
  return {
    touch: () => {
      timer ??= setTimeout(run, options.everyMs).unref()
    },
    flush: () => (timer === undefined ? saving : run()),
  }
}
