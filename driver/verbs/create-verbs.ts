/**
 * All verbs as one object, as the protocol calls them.
 */
import { addressVerbs } from './address.ts'
import type { VerbContext } from './context.ts'
import { endpointVerbs } from './endpoint.ts'
import { createKeyedMutex } from './keyed-mutex.ts'
import { networkVerbs } from './network.ts'
import { poolVerbs } from './pool.ts'
import { followRemovedNetworks } from './removed-networks.ts'
import type { Verbs } from './verbs.ts'

export function createVerbs(context: VerbContext): Verbs {
  const mutex = createKeyedMutex()
  const removed = followRemovedNetworks(context.store)
  return {
    ...poolVerbs(context, mutex, removed),
    ...addressVerbs(context, mutex),
    ...networkVerbs(context, removed),
    ...endpointVerbs(context),
  }
}
