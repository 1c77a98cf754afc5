/**
 * Pool releases and network removals that wait for the store.
 *
 * Docker goes on after every answer to such a call, and each would cost the user the store's whole timeout.
 * So the call is answered at once and its work is kept here, in memory. After a restart the journal knows the
 * removed networks, and the endpoints loop finds the pools that no network has.
 */
import { isCode } from '../core/errors.ts'
import type { Log } from '../log.ts'
import { createListeners } from '../store/listeners.ts'
import { singleFlight } from '../store/single-flight.ts'
import type { Store } from '../store/store.ts'

export interface Deferred {
  /**
   * Does the work now if the store is there, else keeps it. `name` is for the log; a second work of a name
   * replaces the first.
   */
  do(name: string, work: () => Promise<void>): Promise<void>
  /** Does what is kept, in its order. Stops at the first work that the store does not answer. */
  flush(): Promise<void>
  names(): string[]
  /** Called when work is kept. Returns the way to stop. */
  onDefer(listener: () => void): () => void
}

export function createDeferred(store: Pick<Store, 'status'>, log: Log): Deferred {
  const kept = new Map<string, () => Promise<void>>()
  const deferred = createListeners<[]>((err) => log.error({ err }, 'a listener of deferred work failed'))
  const keep = (name: string, work: () => Promise<void>): void => {
    kept.set(name, work)
    log.warn({ deferred: name }, 'the store does not answer: deferred until it does')
    deferred.notify()
  }
  return {
    async do(name, work) {
      // While something waits, everything waits: Docker's calls are done in their order.
      if (kept.size > 0 || !store.status().fresh) return keep(name, work)
      try {
        await work()
      } catch (error) {
        if (!isCode(error, 'unavailable')) throw error
        keep(name, work)
      }
    },
    flush: singleFlight(async () => {
      for (const [name, work] of kept) {
        try {
          await work()
          log.info({ deferred: name }, 'deferred work is done')
        } catch (error) {
          if (isCode(error, 'unavailable')) return
          log.warn({ deferred: name, err: error }, 'deferred work failed and is given up')
        }
        if (kept.get(name) === work) kept.delete(name)
      }
    }),
    names: () => [...kept.keys()],
    onDefer: deferred.add,
  }
}
