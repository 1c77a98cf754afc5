/**
 * Counts a store's failures by error code, for metrics.
 */
import { asDriverError } from '../core/errors.ts'
import type { Store } from './store.ts'

export function countFailures(store: Store, onError: (code: string) => void): Store {
  const counted = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      onError(asDriverError(error).code)
      throw error
    }
  }
  return {
    ...store,
    read: () => counted(store.read()),
    commit: (changes) => counted(store.commit(changes)),
  }
}
