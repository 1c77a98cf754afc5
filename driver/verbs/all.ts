/**
 * The verbs together, as the protocol takes them.
 */
import { addressVerbs } from './address.ts'
import type { VerbContext } from './context.ts'
import { endpointVerbs } from './endpoint.ts'
import { serial } from './keyed-mutex.ts'
import { networkVerbs } from './network.ts'
import { poolVerbs } from './pool.ts'
import type { Verbs } from './verbs.ts'

export function createVerbs(context: VerbContext): Verbs {
  const serially = serial()
  return {
    ...poolVerbs(context, serially),
    ...addressVerbs(context, serially),
    ...networkVerbs(context),
    ...endpointVerbs(context),
  }
}
