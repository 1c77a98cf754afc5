/**
 * The store as verbs and loops see it while this host may not hold its name yet: it was away when the driver
 * started.
 *
 * The records under the name may be another host's then. Nothing is written, and a record that is missing
 * proves nothing, until the host loop has claimed the name.
 */
import { DriverError } from '../core/errors.ts'
import type { Store } from '../store/store.ts'

const doubt = { why: 'this host has not claimed its name in the store yet' }

export function memberStore(store: Store, isMember: () => boolean): Store {
  return {
    ...store,
    async commit(changes) {
      if (!isMember()) await refuse(store)
      await store.commit(changes)
    },
    lookup(table, key) {
      const found = store.lookup(table, key)
      return found.is === 'gone' && !isMember() ? { is: 'unknown', why: doubt.why } : found
    },
    status() {
      const status = store.status()
      return isMember() ? status : { ...status, doubt: status.doubt ?? { ...doubt, hint: undefined } }
    },
  }
}

/** With the store's own reason where the store refuses to answer: a wrong token, say, which a person can correct. */
async function refuse(store: Store): Promise<never> {
  await store.read()
  throw new DriverError('unavailable', doubt.why, { hint: "see 'multihost status'" })
}
