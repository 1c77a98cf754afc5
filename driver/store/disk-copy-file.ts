/**
 * The last snapshot on disk, so that a driver which starts while Consul is away knows its networks.
 *
 * Line by line: which store it is of, then a record per line, later lines counting. What changes is appended, so that
 * a change costs what changed; when half of the lines are out of date the file is written anew, beside, and renamed.
 * At most once in a while, without fsync: after a crash an older copy is as good, since a copy is only ever believed
 * until Consul answers. A last line that was not written to its end is left out.
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
/** Without an index: the record is gone. */
const recordLine = z.tuple([z.enum(tables), z.string(), z.number().optional(), z.unknown().optional()])

export interface DiskCopyFile {
  /** Brings the file to what the snapshot says of these keys. */
  save(snapshot: Snapshot, changed: Iterable<ChangedKey>): Promise<void>
}

/** Lines beyond the records themselves that are always allowed. */
const slackLines = 1000
const linesPerWrite = 500

export function openDiskCopyFile(path: string, store: string): DiskCopyFile {
  /** Of the file, when it is one of ours. */
  let lines: number | undefined
  return {
    async save(snapshot, changed) {
      const had = lines
      const fresh = [...changed].map((at) => line(snapshot, at))
      const appends = had !== undefined && had + fresh.length <= 2 * sizeOf(snapshot) + slackLines
      // After a failure nobody knows what is in the file: then it is written anew.
      lines = undefined
      if (appends) await appendFile(path, fresh.join(''), { flag: appendOnly })
      else await writeAnew(path, store, snapshot)
      lines = appends ? had + fresh.length : sizeOf(snapshot)
    },
  }
}

/** Without O_CREAT: a file that somebody removed would begin in the middle. */
const appendOnly = constants.O_WRONLY | constants.O_APPEND

/** In pieces: a large one would hold up everything else. The snapshot stays as it is meanwhile. */
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

/** Undefined when there is no copy, or one of another store. Throws when it cannot be read. */
export async function readDiskCopyFile(path: string, store: string): Promise<Snapshot | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  // What stands behind the last line break was not written to its end.
  const [head = '', ...rest] = text.split('\n').slice(0, -1)
  if (headLine.parse(JSON.parse(head)).store !== store) return undefined
  return applyDeltas(emptySnapshot(), rest.flatMap(deltaIn))
}

function deltaIn(text: string): AnyDelta[] {
  const [table, key, index, value] = recordLine.parse(JSON.parse(text))
  if (index === undefined) return [{ table, key, record: undefined }]
  const known = checked(table, key, value)
  // The value was checked against the schema of the table that stands beside it.
  return known === undefined ? [] : [{ table, key, record: { index, value: known } } as AnyDelta]
}

/** Undefined for a value of another version's schema: Consul will say what it is now. */
function checked(table: Table, key: string, value: unknown): unknown {
  try {
    return checkRecord(table, key, value)
  } catch (error) {
    if (isCode(error, 'corrupt')) return undefined
    throw error
  }
}

/** Saves at most once in `everyMs`; the last change is always saved, at the latest by `flush`. */
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
