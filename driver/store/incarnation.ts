/**
 * Which Consul this is, and whether it still has the past that this host knows. Pure.
 *
 * Consul's index does not tell: another Consul may have a higher one, and a restored backup continues above
 * the old one (consul/agent/consul/fsm/snapshot.go keeps each key's ModifyIndex). So the key `cluster` names
 * the incarnation: a random id, and a random word that changes with each repair after a loss. The number that
 * only grows is that of the change log's newest segment. Inside of a segment the newest entry that this host
 * has seen must still be there.
 */
import * as z from 'zod'
import { jsonIn } from '../core/json.ts'

/** The key `cluster`. Fields that this version does not know are kept. */
export interface Cluster {
  id: string
  /** Format of the records. A driver reads its own number and lower ones. */
  format: number
  /** Made anew by the host that repairs the store after a loss of data; absent until the first loss. */
  restored?: string | undefined
  /** `restored` of the backup that the repair found; empty: absent there. Absent when the store was empty. */
  restoredFrom?: string | undefined
  /** Every earlier value of `restored`. */
  past?: string[] | undefined
}

export const supportedFormat = 1
export const clusterKey = 'cluster'
/**
 * A repair makes a key in it, named by the word `restored`. The first host that has put back all that it knew
 * deletes the key, and writes `UpTo` beside it.
 */
export const repairFolder = 'repair/'
export const upToName = 'up-to'

/** What this host knows of the store: kept on disk with the copy of the records. */
export interface Position {
  cluster?: Pick<Cluster, 'id' | 'restored' | 'past'> | undefined
  /** Newest segment of the change log; 0 before the first answer. */
  segment: number
  /** Path of the newest entry that this host has seen: in that segment, or the one that made it. */
  entry?: string | undefined
  /** This host has seen everything up to this index of Consul. A copy of an earlier driver does not say it. */
  index?: number | undefined
  /** The store had more records: this host could not read the values of some. */
  isPartial?: true | undefined
}

/** What the store had before a loss, up to here, was put back by a repair. */
export interface UpTo {
  /** `restored` of that time; empty: absent then. */
  word: string
  segment: number
  index: number
}

/** A full read of the store, as far as the incarnation is concerned. */
export interface Found {
  /** The value and the ModifyIndex of the key `cluster`; undefined when there is no such key. */
  cluster: { text: string; index: number } | undefined
  /** The change log has lost the entry, which this host has seen. */
  hasLost(entry: string): boolean
  newestSegment: number
  /** Number of records in the store. */
  records: number
}

export type Verdict =
  /** The same incarnation, which contains all that this host knows. */
  | { is: 'same'; cluster: Cluster; index: number }
  /** No cluster yet: to be made. */
  | { is: 'new' }
  /** The store has lost records. `repaired`: another host has begun the repair. */
  | { is: 'restored'; why: string; repaired: boolean; cluster: Cluster | undefined; index: number }
  /** Nothing in the store concerns this host. */
  | { is: 'foreign'; why: string; hint: string }

const schema = z.looseObject({
  id: z.string().min(1).max(128),
  format: z.number().int().min(1),
  restored: z.string().optional(),
  restoredFrom: z.string().optional(),
  past: z.array(z.string()).optional(),
})

const upToSchema = z.object({ word: z.string(), segment: z.number(), index: z.number() })

/** `hasRecords`: whether this host's copy has any record. */
export function judge(known: Position, hasRecords: boolean, found: Found): Verdict {
  if (found.cluster === undefined) return withoutCluster(known, hasRecords, found)
  const cluster = readCluster(found.cluster.text)
  const { index } = found.cluster
  if (cluster === undefined) {
    return foreign(`the key "${clusterKey}" cannot be read`, 'correct its value: {"id": "…", "format": 1}')
  }
  if (cluster.format > supportedFormat) {
    const why = `the store has format ${cluster.format}, and this driver reads up to ${supportedFormat}`
    return foreign(why, 'install a newer driver on this host')
  }
  if (known.cluster === undefined) return { is: 'same', cluster, index }
  if (known.cluster.id !== cluster.id) {
    const why = `it is cluster ${cluster.id}, and this host belongs to cluster ${known.cluster.id}`
    return foreign(
      why,
      'name the right store with --kv-store; to move this host: remove its vxlan containers, stop multihost, delete its state folder, start multihost',
    )
  }
  const restored = (why: string, repaired: boolean): Verdict => {
    return { is: 'restored', why, repaired, cluster, index }
  }
  if (isBefore(cluster.restored, known.cluster))
    return restored('the store is older than its last repair', false)
  if (known.cluster.restored !== cluster.restored) return restored('another host repaired the store', true)
  const lost = lostPart(known, found)
  return lost === undefined ? { is: 'same', cluster, index } : restored(lost, false)
}

/** Emptied, restored from a backup that is older than the key, or never used by this version. */
function withoutCluster(known: Position, hasRecords: boolean, found: Found): Verdict {
  const lost = known.cluster !== undefined || (hasRecords && found.records === 0)
  if (!lost) return { is: 'new' }
  const why = found.records === 0 ? 'the store is empty' : `the store has no key "${clusterKey}"`
  return { is: 'restored', why, repaired: false, cluster: undefined, index: 0 }
}

function lostPart({ segment, entry }: Position, { newestSegment, hasLost }: Found): string | undefined {
  if (newestSegment < segment)
    return `the store's change log ends with segment ${newestSegment}, this host has seen segment ${segment}`
  // A commit into a backup can close a segment, and make again the next one that this host has seen.
  return entry !== undefined && hasLost(entry)
    ? `the store's change log has lost the entry ${entry}`
    : undefined
}

/** `isWhole`: the host has all records of its position. */
export function upToOf({ cluster, segment, index = 0, isPartial }: Position, isWhole: boolean): UpTo {
  const word = cluster?.restored ?? ''
  return isWhole && !isPartial ? { word, segment, index } : { word, segment: 0, index: 0 }
}

/** Of two words no order is known: `before` stays. */
export function isFurther(upTo: UpTo, before: UpTo | undefined): boolean {
  return before === undefined || (upTo.word === before.word && upTo.index > before.index)
}

/** The repair may lack records of this host with a higher index. Infinity: it lacks none. */
export function lackingAbove(known: Position, { past = [] }: Cluster, upTo: UpTo): number {
  const word = known.cluster?.restored ?? ''
  if (word !== upTo.word) {
    const isLater = known.cluster !== undefined && isBefore(upTo.word || undefined, known.cluster)
    return !isLater && (word === '' || past.includes(word)) ? Number.POSITIVE_INFINITY : 0
  }
  const { segment, index = upTo.index } = known
  if (segment < upTo.segment) return Number.POSITIVE_INFINITY
  // Keys that were imported into another Consul have lower indexes there.
  return segment > upTo.segment && index < upTo.index ? 0 : upTo.index
}

/** Undefined for a value that is not JSON, or of another shape. */
export function readUpTo(text: string): UpTo | undefined {
  return upToSchema.safeParse(jsonIn(text)).data
}

type Incarnation = Pick<Cluster, 'restored' | 'past'>

/** A backup that is older than the repair that this host knows. */
function isBefore(restored: string | undefined, { restored: now, past = [] }: Incarnation): boolean {
  if (now === undefined || now === restored) return false
  return restored === undefined || past.includes(restored)
}

/** The value of `cluster` that a repair begins with. `known`: what the host that repairs knew before. */
export function repairedCluster(
  known: Position,
  found: Cluster | undefined,
  id: string,
  word: string,
): Cluster {
  const words = [found, known.cluster].flatMap((it) => [...(it?.past ?? []), it?.restored ?? []].flat())
  return {
    id: known.cluster?.id ?? id,
    format: supportedFormat,
    ...found,
    restored: word,
    restoredFrom: found && (found.restored ?? ''),
    past: [...new Set(words)],
  }
}

/**
 * Whether this host's records are later than the backup that was repaired: all of them, each with a higher
 * index (of the same incarnation), or unknown.
 */
export type Order = 'later' | 'by-index' | 'unknown'

export function orderOf({ cluster: known }: Position, { restoredFrom }: Cluster): Order {
  if (known === undefined || restoredFrom === undefined) return 'unknown'
  const backup = restoredFrom === '' ? undefined : restoredFrom
  if (known.restored === backup) return 'by-index'
  return isBefore(backup, known) ? 'later' : 'unknown'
}

function foreign(why: string, hint: string): Verdict {
  return { is: 'foreign', why, hint }
}

/** Undefined for a value that is not JSON, or of another shape. */
export function readCluster(text: string): Cluster | undefined {
  return schema.safeParse(jsonIn(text)).data
}
