/**
 * The journal's file: what this host must not forget before the store has it.
 */
import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import type { Log } from '../log.ts'
import { writeDurably } from './durable-file.ts'
import type { JournalEntry } from './journal-changes.ts'
import { checkRecord } from './schemas.ts'

export interface JournalContent {
  entries: readonly JournalEntry[]
  /** Keys of leases that this host was about to return to the pool, and when (ISO 8601). */
  returned: ReadonlyMap<string, string>
  /** Networks by Docker's ids, that Docker has removed and the store has not yet. */
  removing: readonly string[]
}

const fileSchema = z.object({
  format: z.literal(1),
  entries: z.array(
    z.object({ key: z.string(), value: z.unknown().optional(), at: z.string(), asked: z.array(z.string()) }),
  ),
  returned: z.record(z.string(), z.string()),
  removing: z.array(z.string()).default([]),
})

export interface JournalFile {
  content: JournalContent
  /** Resolves when what `content` returns at a later moment is on disk. Calls at once share a write. */
  save(content: () => JournalContent): Promise<void>
}

/** For tests of what needs no file. */
export const noJournalFile: JournalFile = {
  content: { entries: [], returned: new Map(), removing: [] },
  save: async () => undefined,
}

/** Without a path nothing is kept. A file that cannot be read is as no file, and logged. */
export async function openJournalFile(path: string | undefined, log: Log): Promise<JournalFile> {
  if (path === undefined) return noJournalFile
  const content = await readJournal(path).catch((err: unknown) => {
    log.error({ err, path }, 'the journal of endpoints cannot be read and is ignored')
    return noJournalFile.content
  })
  let writing: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined
  return {
    content,
    save(now) {
      next ??= writing
        .catch(() => 'the next write has everything')
        .then(() => {
          next = undefined
          writing = writeJournal(path, now())
          return writing
        })
      return next
    },
  }
}

async function readJournal(path: string): Promise<JournalContent> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return noJournalFile.content
  const { entries, returned, removing } = fileSchema.parse(JSON.parse(text))
  return {
    entries: entries.map(({ value, ...entry }) => ({
      ...entry,
      value: value === undefined ? undefined : checkRecord('endpoints', entry.key, value),
    })),
    returned: new Map(Object.entries(returned)),
    removing,
  }
}

function writeJournal(path: string, { entries, returned, removing }: JournalContent): Promise<void> {
  const content = { format: 1, entries, returned: Object.fromEntries(returned), removing }
  return writeDurably(path, `${JSON.stringify(content)}\n`)
}
