/**
 * Who wants to know of changes. One that throws is a defect of its own and keeps nothing from the others.
 */
import type { Snapshot } from '../core/records.ts'
import type { ChangedKey } from './store.ts'

export type Listener = (snapshot: Snapshot, changed: readonly ChangedKey[]) => void

export interface Listeners {
  add(listener: Listener): () => void
  tell: Listener
}

export function createListeners(failed: (error: unknown) => void): Listeners {
  const all = new Set<{ listener: Listener }>()
  return {
    add(listener) {
      const entry = { listener }
      all.add(entry)
      return () => void all.delete(entry)
    },
    tell(snapshot, changed) {
      for (const { listener } of [...all]) {
        try {
          listener(snapshot, changed)
        } catch (error) {
          failed(error)
        }
      }
    },
  }
}
