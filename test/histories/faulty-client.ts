/**
 * What can fail of a host, and its connection to Consul in memory, with the faults of a network and of a
 * server: no answer, an answer that is lost after the commit, late and filtered answers, the wrong server.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { DriverError } from '../../driver/core/errors.ts'
import type { ConsulClient, Listing } from '../../driver/store/consul/client.ts'
import type { Random } from '../../scenarios/faults/random.ts'

export interface Faults {
  /** Nothing is answered, and nothing reaches Consul. */
  cut: boolean
  /** Commits are done, and their answers are lost. */
  loseAnswers: boolean
  /** Lists are answered up to so many milliseconds late, with what was so when they were made. */
  lateMs: number
  /** The token may not read everything: lists lack some keys, and say so. */
  filtered: boolean
  /** dockerd has started anew, and does not show the endpoints of containers that run on yet. */
  restoring: boolean
}

export const noFaults = (): Faults => ({
  ...{ cut: false, loseAnswers: false, lateMs: 0, filtered: false, restoring: false },
})

/**
 * `current` is the server at the address: it changes when a person switches servers. `way` is the time of one
 * way to it.
 */
export function faultyClient(
  current: () => ConsulClient,
  faults: Faults,
  random: Random,
  way: () => Promise<void>,
): ConsulClient {
  const reach = (): ConsulClient => {
    if (faults.cut) throw noAnswer()
    return current()
  }
  const passed = async <T>(what: (client: ConsulClient) => Promise<T>): Promise<T> => {
    await way()
    const answer = await what(reach())
    await way()
    if (faults.cut) throw noAnswer()
    return answer
  }
  return {
    async list(prefix, query) {
      const listing = await passed((client) => client.list(prefix, query))
      if (faults.lateMs > 0) await delay(random.below(faults.lateMs))
      return faults.filtered ? filter(listing, random) : listing
    },
    async transact(steps) {
      const answer = await passed((client) => client.transact(steps))
      if (faults.loseAnswers && random.chance(0.7)) throw noAnswer()
      return answer
    },
    createSession: (name, ttlMs) => passed((client) => client.createSession(name, ttlMs)),
    renewSession: (id) => passed((client) => client.renewSession(id)),
    destroySession: (id) => passed((client) => client.destroySession(id)),
    hasSession: (id) => passed((client) => client.hasSession(id)),
    moveTo: async () => ({ is: 'none' }),
    close: () => undefined,
  }
}

function filter(listing: Listing, random: Random): Listing {
  return { ...listing, items: listing.items.filter(() => random.chance(0.6)), filtered: true }
}

function noAnswer(): DriverError {
  return new DriverError('unavailable', 'Consul does not answer', { hint: 'wait' })
}
