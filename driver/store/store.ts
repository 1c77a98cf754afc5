/**
 * The store as verbs and loops see it: versioned records, atomic commits, and a snapshot that follows the
 * changes of all hosts.
 *
 * Two implementations pass one contract suite (test/fixtures/store-contract.ts): Consul, and a store in
 * memory for fast tests.
 */
import type { Known } from '../core/knowledge.ts'
import type { Liveness } from '../core/liveness.ts'
import type { Change, HostName, Ip, Snapshot, Table, Tables } from '../core/records.ts'

export interface Store {
  /**
   * The last known state, own commits included. Returns at once and never throws; `status().fresh` tells
   * whether it is current.
   */
  snapshot(): Snapshot
  /** One record, with the difference between gone and not known. */
  lookup<T extends Table>(table: T, key: string): Known<Tables[T]>
  /**
   * A consistent read: everything committed before the call is in it. Throws `unavailable`. Lasts as long as
   * Consul goes on answering; the caller has its own bound.
   */
  read(): Promise<Snapshot>
  /**
   * All steps or none; the snapshot has them when it resolves. At most 59 changes (`maxChanges`). Throws
   * `conflict` (the first step that did not hold is in the message and in `error.cause`, a ConflictCause),
   * `unavailable` when Consul does not answer within `timeoutMs`. Then the commit may have happened all the
   * same; if so, the watch tells of it.
   */
  commit(changes: readonly Change[]): Promise<void>
  /**
   * Calls the listener after every change of the snapshot, with the changed keys. Returns the function that
   * removes it.
   */
  onChange(listener: (snapshot: Snapshot, changed: readonly ChangedKey[]) => void): () => void
  /**
   * Calls the listener each time `status().fresh` becomes true, at the first connection too. Returns the
   * function that removes it.
   */
  onFresh(listener: () => void): () => void
  status(): StoreStatus
  /**
   * Shows this host as alive: its session holds the lock of the key `alive/<host>` with this value. Can be
   * called again at any time. Returns the holder where another session has the lock. Throws `unavailable`.
   */
  announce(self: Announcement): Promise<AnnounceOutcome>
  /**
   * What was last announced under this host's name, by this host or another one. `session` where a session
   * holds the key. Undefined where there is no such key. Throws `unavailable`.
   */
  lastAnnouncement(): Promise<LastAnnouncement | undefined>
  /**
   * Ends the session of another holder of this host's name, which the caller knows to be this host's earlier
   * life.
   */
  endSession(session: string): Promise<void>
  /** What the store says of hosts' lives now. Throws `unavailable`. */
  liveness(): Promise<Liveness>
  close(): Promise<void>
}

/** The value of the key `alive/<host>`. */
export interface Announcement {
  /** The host's id, kept in its state folder. */
  id: string
  vtep: Ip
}

/** What the key `alive/<host>` says. Id and VTEP are undefined where a person has written another value. */
export interface LastAnnouncement {
  id?: string | undefined
  vtep?: Ip | undefined
  /** The session that holds the key. */
  session?: string | undefined
  /** This host has made the session. Undefined where that is not known, or without a session. */
  isOwnSession?: boolean | undefined
}

export type AnnounceOutcome =
  | { held: true; session: string }
  | { held: false; by: LastAnnouncement & { host: HostName; session: string } }

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
  /** The address, for messages: `consul://192.168.33.10:8500/multihost`. */
  url: string
  /** The watch is connected, and the last call was answered. */
  fresh: boolean
  /** Milliseconds since the last answer; `undefined` before the first. */
  ageMs: number | undefined
  /** Consul's index of the snapshot. */
  index: number
  lastError: string | undefined
  /** Records whose values are not of their schema. The snapshot has their last readable value, if there was one. */
  corrupt: readonly ChangedKey[]
  /** Records that were deleted by hand and are not back yet. The snapshot has them. */
  missing: readonly ChangedKey[]
  /** Why a missing record proves nothing now, and what to do. Undefined: what the snapshot lacks is gone. */
  doubt: { why: string; hint?: string | undefined } | undefined
  /** The cluster's id; undefined before the first answer. */
  cluster: string | undefined
  /** Why files of this host's state are older than the snapshot: one sentence for each that cannot be written. */
  unwritten?: readonly string[]
}
