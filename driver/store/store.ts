/**
 * The store as verbs and loops see it: versioned records, atomic commits, a snapshot that follows.
 *
 * Two implementations pass one contract suite (test/fixtures/store-contract.ts): Consul, and memory for fast tests.
 */
import type { Change, Snapshot, Table } from '../core/records.ts'

export interface Store {
  /** The last known state: at once, never fails, possibly old (`status().fresh` tells). Own commits are in it. */
  snapshot(): Snapshot
  /** A consistent read: everything committed before the call is in it. Throws `unavailable`. */
  read(): Promise<Snapshot>
  /**
   * All steps or none; the snapshot has them when it resolves. At most 60 steps (Consul's limit is 64).
   * Throws `conflict` (the first step that did not hold is in the message and in `error.cause`, a ConflictCause),
   * `unavailable` when Consul does not answer within `timeoutMs`. Then the commit may have happened all the same;
   * if so, the watch tells of it.
   */
  commit(changes: readonly Change[]): Promise<void>
  /** Called after every change of the snapshot, with the keys that changed. Returns the way to stop. */
  onChange(listener: (snapshot: Snapshot, changed: readonly ChangedKey[]) => void): () => void
  /** Called each time `status().fresh` turns true: a connection has been made, or made again. Returns the way to stop. */
  onFresh(listener: () => void): () => void
  status(): StoreStatus
  /** Makes (or renews) the session that shows this host as alive, and returns its id. */
  session(): Promise<string>
  /** All sessions that Consul knows: a host is alive while its record's session is one of them. Throws `unavailable`. */
  sessions(): Promise<ReadonlySet<string>>
  close(): Promise<void>
}

/** `error.cause` of a `conflict`. */
export interface ConflictCause {
  table: Table
  key: string
}

export interface ChangedKey {
  table: Table
  key: string
}

export interface StoreStatus {
  /** Where it is, for people: `consul://192.168.33.10:8500/multihost`. */
  url: string
  /** The watch is connected and has delivered since it last failed. */
  fresh: boolean
  /** Milliseconds since the last answer; `undefined` before the first. */
  ageMs: number | undefined
  /** Consul's index of the snapshot. */
  index: number
  lastError: string | undefined
  /** Keys whose values are not of their schema: left out of the snapshot, named here. */
  corrupt: string[]
}
