/**
 * The life of an endpoint on its host, as one state.
 *
 * Four parties know of an endpoint: the store has its record, Docker's last call says what is under way, the
 * engine says which container has it, the kernel has its link. The state is derived from what they say each
 * time, and is kept nowhere. The table of the states, and of who moves an endpoint on, is in
 * docs/architecture.md.
 */
import type { Proof } from '../knowledge.ts'
import type { Endpoint, EndpointId } from '../records.ts'

/**
 * Docker's last call about an endpoint. `leave` is Leave and DeleteEndpoint, and what counts as such
 * (`UnderWay.ended`).
 */
export type EndpointCall = 'create' | 'join' | 'leave'

/** What Docker has under way on this host. */
export interface UnderWay {
  /** Docker's last call about each endpoint. */
  calls(): ReadonlyMap<EndpointId, EndpointCall>
  /** Endpoints whose last call is `leave`, and what proves that they are over. */
  ended(): ReadonlyMap<EndpointId, Proof>
  /** Endpoints on their way into a container: neither the kernel nor the engine need show them there yet. */
  arriving(): readonly EndpointId[]
}

export type EndpointLife =
  /** CreateEndpoint has begun; there is no record yet. */
  | 'requested'
  /** The record is written. The endpoint is in no container; the other hosts do not program it. */
  | 'created'
  /** The record says joined, so the other hosts program it; Join waits for this host's kernel. */
  | 'joining'
  | 'joined'
  /** The link went with its container, or was deleted by hand; Docker has not said Leave. */
  | 'link-lost'
  /** Docker has said Leave or DeleteEndpoint. While the store is away, the journal keeps the removal. */
  | 'leaving'
  /** The engine does not know the endpoint of this record. */
  | 'missing'
  /** A container has the endpoint and the store has no record of it. */
  | 'unrecorded'
  | 'gone'

/** What is known of one endpoint. `undefined` for `engine` and `hasLink`: not asked. */
export interface EndpointFacts {
  record: Pick<Endpoint, 'joined'> | undefined
  /** Undefined once Join has been answered, and some time after the last call. */
  call: EndpointCall | undefined
  engine?: 'absent' | 'in-no-container' | 'in-container' | undefined
  hasLink?: boolean | undefined
}

export function lifeOf({ record, call, engine, hasLink }: EndpointFacts): EndpointLife {
  if (call === 'create' || call === 'join') {
    if (record === undefined) return 'requested'
    return record.joined ? 'joining' : 'created'
  }
  if (record !== undefined && engine === 'absent') return 'missing'
  if (call === 'leave') return record !== undefined || engine === 'in-container' ? 'leaving' : 'gone'
  if (record === undefined) return engine === 'in-container' ? 'unrecorded' : 'gone'
  if (hasLink === false) return 'link-lost'
  return record.joined ? 'joined' : 'created'
}
