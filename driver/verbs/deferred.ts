/**
 * What Docker told us to remove while the store was away, to be done when it is back.
 *
 * Docker goes on whatever we answer to a Leave or a Delete, and each would cost the user the store's whole timeout.
 * So they are answered at once and kept here. Kept in memory only: the endpoints loop finds by itself what a driver
 * that was restarted in the meantime has forgotten, only later.
 */
import { isCode } from '../core/errors.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'

export interface Owed {
  /** Does it now if the store is there, else notes it. `name` is for the log and is one thing only once. */
  do(name: string, work: () => Promise<void>): Promise<void>
  /** Does what is noted, in its order; stops at the first thing that still cannot be done. */
  settle(): Promise<void>
  names(): string[]
}

export function createOwed(store: Pick<Store, 'status'>, log: Log): Owed {
  const notes = new Map<string, () => Promise<void>>()
  const note = (name: string, work: () => Promise<void>): void => {
    notes.set(name, work)
    log.warn({ owed: name }, 'the store is away, done when it is back')
  }
  return {
    async do(name, work) {
      // After something that waits, everything waits: Leave before Delete, Delete before Release.
      if (notes.size > 0 || !store.status().fresh) return note(name, work)
      try {
        await work()
      } catch (error) {
        if (!isCode(error, 'unavailable')) throw error
        note(name, work)
      }
    },
    async settle() {
      for (const [name, work] of notes) {
        try {
          await work()
        } catch (error) {
          if (isCode(error, 'unavailable')) return
          log.warn({ owed: name, err: error }, 'what was owed cannot be done')
        }
        notes.delete(name)
        log.info({ owed: name }, 'what was owed is done')
      }
    },
    names: () => [...notes.keys()],
  }
}
