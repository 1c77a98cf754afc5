/**
 * How large a commit may be. The only place that knows Consul's limits.
 *
 * Consul 1.8 takes 64 operations in a transaction (newer versions 128) and a request of 512 KB
 * (`txn_max_req_len`). Each commit also checks the store's incarnation and writes an entry of the change log
 * in the same transaction: up to four operations, and all values a second time. Consul's own limits are kept
 * to those of 1.8, the oldest version that is supported.
 */
import type { Change } from '../core/records.ts'

/** Operations of one transaction, Consul 1.8: agent/txn_endpoint.go, maxTxnOps. */
export const maxOperations = 64

/** Operations beside the changes: the check of the incarnation, a log segment's head, the next one, the entry. */
export const logOperations = 4

/** Changes of one commit: the transaction without those, and without one deletion of an old segment. */
export const maxChanges = maxOperations - logOperations - 1

/** A part of a longer list of changes: below the limit, since the caller may add some of its own (`expect`). */
export const perCommit = { changes: 50, bytes: 120_000 }

/** As JSON. In the request every value stands twice (record and log entry) and in base64. */
export function bytesOf(change: Change): number {
  return Buffer.byteLength(JSON.stringify(change))
}

/** Splits a list of changes into commits that Consul accepts; the order is kept. */
export function splitIntoCommits(changes: readonly Change[]): Change[][] {
  return packed(changes, bytesOf)
}

/** The same where the changes of a group belong together: a group is split only where it is too large alone. */
export function splitGroupsIntoCommits(groups: readonly (readonly Change[])[]): Change[][] {
  const bytesFor = (group: readonly Change[]): number =>
    group.reduce((sum, change) => sum + bytesOf(change), 0)
  const parts = packed(groups, bytesFor, perCommit.changes, (group) => group.length)
  return parts.flatMap((part) => splitIntoCommits(part.flat()))
}

/**
 * Parts that count at most `most` each, and whose bytes fit into a commit. An item that does not fit is
 * alone.
 */
export function packed<T>(
  items: readonly T[],
  bytesFor: (item: T) => number,
  most: number = perCommit.changes,
  countFor: (item: T) => number = () => 1,
): T[][] {
  const parts: T[][] = []
  const room = { bytes: 0, count: 0 }
  for (const item of items) {
    const [bytes, count] = [bytesFor(item), countFor(item)]
    const last = parts.at(-1)
    if (last === undefined || room.count < count || room.bytes < bytes) {
      parts.push([item])
      Object.assign(room, { bytes: perCommit.bytes - bytes, count: most - count })
    } else {
      last.push(item)
      room.bytes -= bytes
      room.count -= count
    }
  }
  return parts
}
