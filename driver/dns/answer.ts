/**
 * From a message to its answer: our names first, the machine's resolvers for all else.
 *
 * Several addresses of one name come in another order each time. Whoever is not of this host is refused: this is no
 * resolver for the network.
 */
import type { Resource } from 'dns-packet'
import type { Forwarder, Transport } from './forward.ts'
import { lookup, type View } from './lookup.ts'
import { encodeReply, failure, rcodeOf, readMessage } from './message.ts'

/** What somebody may see, by the address that he asks from; undefined: nothing at all. */
export type ViewOf = (address: string) => Promise<View | undefined>

export interface Responder {
  /** Never rejects. Undefined: no answer. */
  answer(bytes: Buffer, from: string, over: Transport): Promise<Buffer | undefined>
  counts(): Readonly<DnsCounts>
}

export interface DnsCounts {
  /** From our own names. */
  answered: number
  /** With what the machine's resolvers said. */
  forwarded: number
  /** Strangers, and what cannot be read. */
  refused: number
  /** Nobody could be asked, or nobody answered. */
  failed: number
}

const maxInFlight = 1024
const rememberedNames = 4096

export function createResponder({ viewOf, forwarder }: { viewOf: ViewOf; forwarder: Forwarder }): Responder {
  const counts: DnsCounts = { answered: 0, forwarded: 0, refused: 0, failed: 0 }
  const turns = new Map<string, number>()
  let inFlight = 0

  const rotate = (name: string, records: Resource[]): Resource[] => {
    if (records.length < 2) return records
    if (turns.size > rememberedNames) turns.clear()
    const turn = (turns.get(name) ?? -1) + 1
    turns.set(name, turn)
    const first = turn % records.length
    return [...records.slice(first), ...records.slice(0, first)]
  }
  const count = (what: keyof DnsCounts, bytes: Buffer): Buffer => {
    counts[what] += 1
    return bytes
  }
  const elsewhere = async (bytes: Buffer, over: Transport): Promise<Buffer> => {
    const answer = await forwarder.ask(bytes, over)
    return answer === undefined ? count('failed', failure(bytes, 'SERVFAIL')) : count('forwarded', answer)
  }
  const answer = async (bytes: Buffer, from: string, over: Transport): Promise<Buffer | undefined> => {
    const read = readMessage(bytes)
    if (read.kind === 'nothing') return undefined
    if (read.kind === 'bad') return count('refused', read.reply)
    const { query } = read
    const view = await viewOf(from)
    if (view === undefined) return count('refused', failure(bytes, 'REFUSED'))
    if (query.question.class !== 'IN') return elsewhere(bytes, over)
    const found = lookup(view, query.name, query.type, query.question.name)
    const own = (rcode: 'NOERROR' | 'NXDOMAIN', answers: Resource[], authority?: Resource): Buffer =>
      count('answered', encodeReply(query, { rcode, answers, ...(authority && { authority }) }, over))
    switch (found.kind) {
      case 'records':
        return own('NOERROR', rotate(query.name, found.records))
      case 'empty':
        return own('NOERROR', [], found.authority)
      case 'denied':
        return own('NXDOMAIN', [], found.authority)
      case 'unsure': {
        const other = await forwarder.ask(bytes, over)
        const exists = other !== undefined && rcodeOf(other) === 0
        return exists ? count('forwarded', other) : own('NXDOMAIN', [], found.authority)
      }
      case 'foreign':
        return elsewhere(bytes, over)
    }
  }
  return {
    counts: () => counts,
    async answer(bytes, from, over) {
      if (inFlight >= maxInFlight) return undefined
      inFlight += 1
      try {
        return await answer(bytes, from, over)
      } catch {
        // A defect of ours, or the engine could not be asked who this is: the asker must not wait for it.
        return bytes.length < 12 ? undefined : count('failed', failure(bytes, 'SERVFAIL'))
      } finally {
        inFlight -= 1
      }
    },
  }
}
