/**
 * The change log as Consul lists it: one segment, or all of it. Whole it is a megabyte at most, or what the
 * hosts commit in five seconds.
 */
import type { Item } from './answers.ts'
import type { Changelog, LogItem } from './change-log.ts'
import type { ConsulClient, Listing, ListQuery } from './client.ts'

export interface LogReader {
  client: Pick<ConsulClient, 'list'>
  prefix: string
  changelog: Pick<Changelog, 'folder' | 'folderOf'>
}

/** A segment of the log, and the index that the next answer must exceed; 0 for an answer at once. */
export interface Position {
  segment: number
  index: number
}

/**
 * Waits for more than what is known at the position, `waitMs` at most. Without it, the answer comes at once,
 * and consistently: a Consul that has just started otherwise answers from an old state.
 */
export function listSegment(
  { client, prefix, changelog }: LogReader,
  { segment, index }: Position,
  { waitMs, signal }: { waitMs?: number | undefined; signal: AbortSignal },
): Promise<Listing> {
  const when = waitMs === undefined || index === 0 ? { consistent: true } : { index, waitMs }
  return client.list(`${prefix}/${changelog.folderOf(segment)}`, { ...when, signal })
}

/** The whole log as it is now; empty where the token may not read all of it. `patient`: as `ListQuery` has it. */
export async function listLog(
  { client, prefix, changelog }: LogReader,
  { patient = false, signal }: Pick<ListQuery, 'patient' | 'signal'> = {},
): Promise<LogItem[]> {
  const listing = await client.list(`${prefix}/${changelog.folder}`, {
    consistent: true,
    patient,
    ...(signal && { signal }),
  })
  return listing.filtered === true ? [] : withoutPrefix(prefix, listing.items)
}

export function withoutPrefix(prefix: string, items: readonly Item[]): LogItem[] {
  return items.map(({ key, index, text }) => ({ path: key.slice(prefix.length + 1), index, text }))
}
