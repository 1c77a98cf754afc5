/**
 * The last snapshot on disk, so that a driver which starts while Consul is away knows its networks.
 *
 * Written beside and renamed, at most once in a while, without fsync: after a crash an older copy is as good, since
 * a copy is only ever believed until Consul answers.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { isCode } from '../core/errors.ts'
import type { Snapshot, Table } from '../core/model.ts'
import { type AnyDelta, applyDeltas, emptySnapshot, tables } from '../core/snapshot.ts'
import { checkRecord } from './schemas.ts'

const record = z.object({ index: z.number(), value: z.unknown() })
const format = z.object({
  format: z.literal(1),
  /** Which store it is a copy of. */
  store: z.string(),
  tables: z.partialRecord(z.enum(tables), z.record(z.string(), record)),
})

export async function saveSnapshot(path: string, store: string, snapshot: Snapshot): Promise<void> {
  const all = tables.map((table) => [table, Object.fromEntries(snapshot[table])])
  const text = JSON.stringify({ format: 1, store, tables: Object.fromEntries(all) })
  await mkdir(dirname(path), { recursive: true })
  await writeFile(`${path}.new`, text, { mode: 0o600 })
  await rename(`${path}.new`, path)
}

/** Undefined when there is no copy, or one of another store. Throws when it cannot be read. */
export async function loadSnapshot(path: string, store: string): Promise<Snapshot | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const copy = format.parse(JSON.parse(text))
  if (copy.store !== store) return undefined
  const deltas = tables.flatMap((table) =>
    Object.entries(copy.tables[table] ?? {}).flatMap(([key, { index, value }]) => {
      const known = checked(table, key, value)
      return known === undefined ? [] : [{ table, key, record: { index, value: known } } as AnyDelta]
    }),
  )
  return applyDeltas(emptySnapshot(), deltas)
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
