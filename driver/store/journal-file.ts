/**
 * The journal's file: what this host must not forget before the store has it.
 */
import { copyFile } from 'node:fs/promises'
import * as z from 'zod'
import { asDriverError } from '../core/errors.ts'
import type { Log } from '../log.ts'
import { readIfThere, writeDurably, writtenAgainMs } from './durable-file.ts'
import type { JournalEntry } from './journal-changes.ts'
import { checkRecord } from './schemas.ts'

export interface JournalContent {
  entries: readonly JournalEntry[]
  /** Keys of leases that this host was about to return to the pool, and when (ISO 8601). */
  returned: ReadonlyMap<string, string>
  /** Networks by Docker's ids, that Docker has removed and the store has not yet. */
  removing: readonly string[]
  /** Containers by Docker's ids, whose start this driver has begun and the engine has not answered. */
  starting: readonly string[]
}

const fileSchema = z.object({
  format: z.literal(1),
  entries: z.array(
    z.object({ key: z.string(), value: z.unknown().optional(), at: z.string(), asked: z.array(z.string()) }),
  ),
  returned: z.record(z.string(), z.string()),
  removing: z.array(z.string()).default([]),
  starting: z.array(z.string()).default([]),
})

export interface JournalFile {
  endpoints: EndpointEntries
  returnedLeases: ReturnedLeases
  /** Networks that Docker has removed and the store has not yet. */
  removedNetworks: KeptIds
  /** Containers whose start this driver has begun, while the engine has not answered. */
  begunStarts: KeptIds
  /** Why the file is older than what it is to have. It is written again until that succeeds. */
  failure(): string | undefined
  /** The file is written by no timer afterwards. */
  close(): void
}

/** What waits in the journal of endpoints (journal.ts). */
export interface EndpointEntries {
  /** As the driver's earlier life left them. */
  earlier: readonly JournalEntry[]
  /** Resolves when what `now` returns at a later moment is on disk. Calls at once share a write. */
  save(now: () => readonly JournalEntry[]): Promise<void>
}

export interface ReturnedLeases {
  /** Resolves when it is on disk that the leases with these keys are about to be returned to the pool. */
  add(keys: readonly string[]): Promise<void>
  /** Leases that an earlier life of this driver was about to return. */
  earlier: readonly string[]
}

/** Docker's ids, of the driver's earlier life too. */
export interface KeptIds {
  /** `all` has it at once. Resolves when it is on disk. */
  add(id: string): Promise<void>
  done(id: string): void
  all(): string[]
}

/** A returned lease can be in this host's copy of the store for a moment longer. */
const returnedForMs = 10 * 60_000
const emptyJournal: JournalContent = { entries: [], returned: new Map(), removing: [], starting: [] }

/**
 * Without a path nothing is kept. A file that cannot be read is as no file, and logged; an entry that cannot
 * be read is left out, and logged. The next write has neither, so a copy of the file is kept for a person.
 */
export async function openJournalFile(path: string | undefined, log: Log): Promise<JournalFile> {
  if (path === undefined) return journalFile(async () => undefined, log)
  const content = await readJournal(path, log).catch(async (err: unknown) => {
    log.error({ err, path }, 'the journal of endpoints cannot be read and is ignored')
    await keepUnreadable(path, log)
    return emptyJournal
  })
  return journalFile((now) => writeJournal(path, now), log, content)
}

/** `content`: what the file has. */
export function journalFile(
  write: (content: JournalContent) => Promise<void>,
  log: Log,
  content = emptyJournal,
): JournalFile {
  let entries = (): readonly JournalEntry[] => content.entries
  const returned = new Map(content.returned)
  const removing = new Set(content.removing)
  const starting = new Set(content.starting)
  let failure: string | undefined
  let again: NodeJS.Timeout | undefined
  let isClosed = false
  const save = sharedWrites(async () => {
    clearTimeout(again)
    try {
      await write({ entries: entries(), returned, removing: [...removing], starting: [...starting] })
      failure = undefined
    } catch (error) {
      failure = asDriverError(error).line
      if (!isClosed)
        again = setTimeout(() => void save().catch(() => 'told by `failure`'), writtenAgainMs).unref()
      throw error
    }
  })
  return {
    failure: () => failure,
    close() {
      isClosed = true
      clearTimeout(again)
    },
    endpoints: {
      earlier: content.entries,
      save(now) {
        entries = now
        return save()
      },
    },
    returnedLeases: {
      earlier: [...content.returned.keys()],
      add(keys) {
        const now = Date.now()
        const oldest = new Date(now - returnedForMs).toISOString()
        for (const [key, at] of returned) if (at < oldest) returned.delete(key)
        for (const key of keys) returned.set(key, new Date(now).toISOString())
        return save()
      },
    },
    removedNetworks: keptIds(removing, save, log),
    begunStarts: keptIds(starting, save, log),
  }
}

function keptIds(ids: Set<string>, save: () => Promise<void>, log: Log): KeptIds {
  return {
    add(id) {
      ids.add(id)
      return save()
    },
    done(id) {
      if (!ids.delete(id)) return
      void save().catch((err: unknown) => log.error({ err }, 'the journal cannot be written'))
    },
    all: () => [...ids],
  }
}

/** One write at a time. Calls during a write share the next one. */
function sharedWrites(write: () => Promise<void>): () => Promise<void> {
  let writing: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined
  return () => {
    next ??= writing
      .catch(() => 'the next write has everything')
      .then(() => {
        next = undefined
        writing = write()
        return writing
      })
    return next
  }
}

async function readJournal(path: string, log: Log): Promise<JournalContent> {
  const text = await readIfThere(path)
  if (text === undefined) return emptyJournal
  const { entries, returned, removing, starting } = fileSchema.parse(JSON.parse(text))
  const read = entries.flatMap(({ value, ...entry }) => {
    try {
      const checked = value === undefined ? undefined : checkRecord('endpoints', entry.key, value)
      return [{ ...entry, value: checked }]
    } catch (err) {
      log.error({ err, path }, 'an entry of the journal cannot be read and is left out')
      return []
    }
  })
  if (read.length < entries.length) await keepUnreadable(path, log)
  return { entries: read, returned: new Map(Object.entries(returned)), removing, starting }
}

/** One copy: of the latest journal that could not be read. */
async function keepUnreadable(path: string, log: Log): Promise<void> {
  const copy = `${path}.unreadable`
  try {
    await copyFile(path, copy)
    log.warn({ copy }, 'the journal is kept here as it was')
  } catch (err) {
    log.error({ err, copy }, 'the journal that cannot be read cannot be copied either')
  }
}

function writeJournal(path: string, { returned, ...lists }: JournalContent): Promise<void> {
  const content = { format: 1, ...lists, returned: Object.fromEntries(returned) }
  return writeDurably(path, `${JSON.stringify(content)}\n`)
}
