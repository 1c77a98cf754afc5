/**
 * All verbs as one object, as the protocol calls them.
 */
import { addressVerbs } from './address.ts'
import type { VerbContext } from './context.ts'
import { endpointVerbs } from './endpoint.ts'
import { createKeyedMutex } from './keyed-mutex.ts'
import { networkVerbs } from './network.ts'
import { poolVerbs } from './pool.ts'
import type { Verbs } from './verbs.ts'

export function createVerbs(context: VerbContext): Verbs {
  const mutex = createKeyedMutex()
  return {
    ...poolVerbs(context, mutex),
    ...addressVerbs(context, mutex),
    ...networkVerbs(context),
    ...endpointVerbs(context),
  }
}
