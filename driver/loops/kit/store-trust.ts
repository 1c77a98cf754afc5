/**
 * Whether a loop may take things away because the store does not have them.
 *
 * Not before the store has been fresh once: the copy on disk may be old. Not while the store does not have this host:
 * a store without this host has lost its contents.
 */
import type { HostName } from '../../core/records.ts'
import type { Store } from '../../store/store.ts'

export function createStoreTrust(store: Pick<Store, 'snapshot' | 'status'>, host: HostName): () => boolean {
  let hasBeenFresh = false
  return () => {
    hasBeenFresh ||= store.status().fresh
    return hasBeenFresh && store.snapshot().hosts.has(host)
  }
}
