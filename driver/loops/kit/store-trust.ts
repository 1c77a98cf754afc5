/**
 * Whether a loop may remove what the store does not have.
 *
 * A store that has not answered yet, was emptied, restored or replaced says nothing about what it lacks
 * (`StoreStatus.doubt`).
 */
import type { Store } from '../../store/store.ts'

export function mayRemove(store: Pick<Store, 'status'>): boolean {
  return store.status().doubt === undefined
}
