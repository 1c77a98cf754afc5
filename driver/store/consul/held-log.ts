/**
 * The change log beside a full read: what others commit while the read is under way, which may take longer
 * than the log keeps its segments. Nothing of it counts before the read has come: it may be of a store that
 * has lost records, or of another one.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { continuationIn, newestIn } from './change-log.ts'
import type { Listing } from './client.ts'
import { type LogReader, listLog, listSegment, type Position, withoutPrefix } from './log-lists.ts'

export interface HeldLog {
  /** The last answer of each segment, in their order. The first was the newest one before the full read. */
  listings: ReadonlyMap<number, Listing>
  stop(): void
}

const againMs = 500

/** Resolves when the full read may be sent. Throws `unavailable`. */
export async function holdLog(on: LogReader & { waitMs: number; signal: AbortSignal }): Promise<HeldLog> {
  const listings = new Map<number, Listing>()
  const stopping = new AbortController()
  const segment = newestIn(await listLog(on, { patient: true, signal: on.signal }))
  if (segment !== undefined) void hold(on, segment, listings, stopping.signal)
  return { listings, stop: () => stopping.abort() }
}

/** Ends where the log cannot be followed: the watch then says why. Never throws. */
async function hold(
  on: LogReader & { waitMs: number },
  segment: number,
  listings: Map<number, Listing>,
  signal: AbortSignal,
): Promise<void> {
  for (let at: Position = { segment, index: 0 }; !signal.aborted; ) {
    try {
      const listing = await listSegment(on, at, { waitMs: on.waitMs, signal })
      const next = continuationIn(withoutPrefix(on.prefix, listing.items), at.segment)
      const isBroken = listing.filtered === true || listing.index < at.index
      if (signal.aborted || isBroken || next === undefined) return
      listings.set(at.segment, listing)
      at = { segment: next, index: Math.max(listing.index, 1) }
    } catch {
      // Consul does not answer: the client has recorded the failure.
      at = { ...at, index: 0 }
      await delay(againMs, undefined, { signal }).catch(() => 'stopped')
    }
  }
}
