/**
 * From a message to its answer: our names first, the machine's resolvers for all other names.
 *
 * Several addresses of one name come in another order each time. A client that is not on this host is
 * refused: the server is no resolver for the underlay.
 */
import type { Resource } from 'dns-packet'
import { defined } from '../core/defined.ts'
import type { Forwarder, Transport } from './forward.ts'
import { lookup, type View } from './lookup.ts'
import { encodeReply, failure, type Query, rcodeOf, readMessage } from './message.ts'

/** What the client with this address may see; undefined: nothing, the client is refused. */
export type ViewOf = (address: string) => Promise<View | undefined>

export interface Responder {
  /** Never rejects. Undefined: no answer. */
  answer(bytes: Buffer, from: string, over: Transport): Promise<Buffer | undefined>
  counts(): Readonly<DnsCounts>
}

export interface DnsCounts {
  /** From our own names. */
  answered: number
  /** With the answer of the machine's resolvers. */
  forwarded: number
  /** Clients of other machines, and messages that cannot be read. */
  refused: number
  /** No resolver answered, the machine has no resolver, or they failed for a name below a network's name. */
  failed: number
}

const maxInFlight = 1024
/** RFC 1035 §4.1.1. */
const rcodes = { NOERROR: 0, NXDOMAIN: 3 } as const
const rememberedTurns = 4096

export function createResponder({ viewOf, forwarder }: { viewOf: ViewOf; forwarder: Forwarder }): Responder {
  const counts: DnsCounts = { answered: 0, forwarded: 0, refused: 0, failed: 0 }
  const rotate = createRotation()
  let inFlight = 0

  const answer = async (bytes: Buffer, from: string, over: Transport): Promise<Counted | undefined> => {
    const read = readMessage(bytes)
    if (read.kind === 'nothing') return undefined
    if (read.kind === 'bad') return { count: 'refused', bytes: read.reply }
    const view = await viewOf(from)
    if (view === undefined) return { count: 'refused', bytes: failure(bytes, 'REFUSED') }
    return reply({ bytes, query: read.query, view, over, forwarder, rotate })
  }
  return {
    counts: () => counts,
    async answer(bytes, from, over) {
      if (inFlight >= maxInFlight) return undefined
      inFlight += 1
      try {
        const found = await answer(bytes, from, over)
        if (found !== undefined) counts[found.count] += 1
        return found?.bytes
      } catch {
        // A defect of ours, or the engine did not say whose address this is: the client must not wait for an answer.
        if (bytes.length < 12) return undefined
        counts.failed += 1
        return failure(bytes, 'SERVFAIL')
      } finally {
        inFlight -= 1
      }
    },
  }
}

interface Counted {
  count: keyof DnsCounts
  bytes: Buffer
}

interface Question {
  /** The whole message, for the resolvers. */
  bytes: Buffer
  query: Query
  view: View
  over: Transport
  forwarder: Forwarder
  rotate: Rotate
}

async function reply({ bytes, query, view, over, forwarder, rotate }: Question): Promise<Counted> {
  const elsewhere = async (): Promise<Counted> => {
    const other = await forwarder.ask(bytes, over)
    if (other === undefined) return { count: 'failed', bytes: failure(bytes, 'SERVFAIL') }
    return { count: 'forwarded', bytes: other }
  }
  const own = (rcode: 'NOERROR' | 'NXDOMAIN', answers: Resource[], authority?: Resource): Counted => ({
    count: 'answered',
    bytes: encodeReply(query, defined({ rcode, answers, authority }), over),
  })
  if (query.question.class !== 'IN' || query.name === '') return elsewhere()
  const found = lookup(view, query.name, query.type, query.question.name)
  switch (found.kind) {
    case 'records':
      return own('NOERROR', rotate(query, found.records))
    case 'empty':
      return own('NOERROR', [], found.authority)
    case 'denied':
      return own('NXDOMAIN', [], found.authority)
    case 'unsure': {
      if (!forwarder.hasResolvers()) return own('NXDOMAIN', [], found.authority)
      const other = await forwarder.ask(bytes, over)
      const rcode = other === undefined ? undefined : rcodeOf(other)
      if (other !== undefined && rcode === rcodes.NOERROR) return { count: 'forwarded', bytes: other }
      // Clients keep a denial: a name outside must not seem to be gone while the resolvers fail.
      if (rcode !== rcodes.NXDOMAIN) return { count: 'failed', bytes: failure(bytes, 'SERVFAIL') }
      return own('NXDOMAIN', [], found.authority)
    }
    case 'foreign':
      return elsewhere()
  }
}

type Rotate = (of: Pick<Query, 'name' | 'type'>, records: Resource[]) => Resource[]

/**
 * With each call for a name its next record comes first. Each type has its own turn: programs ask for A and
 * AAAA together, and one turn for both would skip every second record of each.
 */
function createRotation(): Rotate {
  const turns = new Map<string, number>()
  return ({ name, type }, records) => {
    if (records.length < 2) return records
    if (turns.size > rememberedTurns) turns.clear()
    const key = `${type} ${name}`
    const turn = (turns.get(key) ?? -1) + 1
    turns.set(key, turn)
    const first = turn % records.length
    return [...records.slice(first), ...records.slice(0, first)]
  }
}
