/**
 * A full read: everything in Consul, once it is clear that this Consul is the one that this host belongs to
 * and that it has lost nothing.
 *
 * `judge` (incarnation.ts) decides on what this host knew before it asked, so that commits of others on the
 * way never look like a loss. A store that has lost records is repaired first: one host gives it a new
 * `restored` word and a log segment beyond all known ones, then every host puts its records back
 * (put-back.ts). Until that is done the mirror keeps the last known records and `doubt` says that a missing
 * record proves nothing. A key in the folder `repair` shows that no host has put back all that it knew yet. A
 * host with a copy from disk waits then, and finishes the repair when no other host does. Who finishes it
 * writes how far it knew the store of before. A host that knew it for longer puts back what is later.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { DriverError, isCode } from '../../core/errors.ts'
import { jsonIn } from '../../core/json.ts'
import type { HostName, Snapshot } from '../../core/records.ts'
import { keysIn, recordName, tables } from '../../core/snapshot.ts'
import type { Log } from '../../log.ts'
import {
  type Cluster,
  clusterKey,
  isFurther,
  judge,
  lackingAbove,
  orderOf,
  type Position,
  readCluster,
  readUpTo,
  repairedCluster,
  repairFolder,
  supportedFormat,
  upToName,
  upToOf,
  type Verdict,
} from '../incarnation.ts'
import type { Mirror } from '../mirror.ts'
import { othersChanges, ownChanges, type Present, type Restored } from '../put-back.ts'
import { maxOperations, splitIntoCommits } from '../transaction-limits.ts'
import { type Changelog, headOf, lacks } from './change-log.ts'
import type { ConsulClient, TxnStep } from './client.ts'
import { isDenied } from './failures.ts'
import { pathOf } from './keys.ts'
import { forgetAsked, logAfterRepair, logOf, putMissingBack } from './put-missing-back.ts'
import { transact } from './transactions.ts'
import { type SortedItems, sortItems } from './watch.ts'

export interface Reader {
  client: ConsulClient
  mirror: Mirror
  changelog: Changelog
  prefix: string
  host: HostName
  log: Log
  /** What this host knows of the store's past. */
  position: () => Position
  /** This host's name is its own. Another host puts nothing back that was deleted by hand. */
  isMember(): boolean
  /** The copy on disk had more records than the mirror began with. */
  copyIsDamaged: boolean
  /** Before shared records are put back: a random part of it, so that one host does most of the work. */
  pauseMs: number
  signal: AbortSignal
  standing: Standing
}

/** Where this host stands with the store. Changed by full reads alone. */
export interface Standing {
  /** The incarnation that the mirror shows; undefined before the first answer. */
  cluster: Cluster | undefined
  /** ModifyIndex of the key `cluster`: every commit demands it. */
  guard: number | undefined
  /** Why a missing record proves nothing, as a clause for people. Undefined: what is missing is gone. */
  doubt: string | undefined
  /** What a person can do about the doubt. */
  hint: string | undefined
  /** Length of the last full answer. */
  bytes: number
  /** Names of missing records → time (ms) at which their host was asked to put them back. */
  asked: Map<string, number>
  /** Names of missing records that other hosts may have yet to put back after a repair → since when (ms). */
  awaited: Map<string, number>
}

export function newStanding(): Standing {
  const doubt = 'the store has not answered since the driver started'
  const none = { cluster: undefined, guard: undefined, hint: undefined }
  return { ...none, doubt, bytes: 0, asked: new Map(), awaited: new Map() }
}

/** Brings the mirror to what Consul has, and puts back what was deleted by hand. Throws `unavailable`. */
export async function readInto(on: Reader): Promise<void> {
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    forgetAsked(on)
    const found = await readOnce(on)
    if (on.mirror.missing().length === 0 || !on.isMember() || (await putMissingBack(on, found))) return
  }
}

async function readOnce(on: Reader): Promise<SortedItems> {
  const full = on.mirror.beginFullRead()
  try {
    const before = on.position()
    const { found, cluster, index, isRepaired } = await settle(on)
    const absent = absentFrom(found, on.mirror.snapshot())
    if (absent.length > 0) await checkMayRead(on, absent)
    const wasFromDisk = on.standing.guard === undefined
    Object.assign(on.standing, { cluster, guard: index, doubt: undefined, hint: undefined })
    // A damaged line may have been a removal, which the log has before the copy's position.
    const isDamaged = wasFromDisk && on.copyIsDamaged
    const log = isRepaired ? logAfterRepair(on) : isDamaged ? undefined : logOf(on, before, found)
    full.finish(found.records, found.top, { reset: isRepaired || wasFromDisk, log })
    return found
  } finally {
    full.abandon()
  }
}

interface Settled {
  found: SortedItems
  cluster: Cluster
  index: number
  isRepaired: boolean
}

async function settle(on: Reader): Promise<Settled> {
  /** The incarnation into which this host has put its records back: the earlier log is not read there. */
  for (let repaired: Cluster | undefined; ; ) {
    const known: Position = repaired === undefined ? on.position() : { cluster: repaired, segment: 0 }
    const found = await list(on)
    const verdict = judgeOf(on, known, found)
    if (verdict.is === 'restored' && verdict.cluster === undefined) await checkMayRead(on, [clusterKey])
    if (isElsewhere(verdict) && (await moveToOwn(on, known, verdict))) continue
    if (verdict.is === 'foreign') throw refuse(on, verdict)
    if (verdict.is === 'new') await makeCluster(on)
    else if (verdict.is === 'restored') {
      repaired = await repair(on, on.position(), found, verdict)
    } else if (await hasLog(on, found, true)) {
      const { cluster, index } = verdict
      return { found, cluster, index, isRepaired: repaired !== undefined }
    }
  }
}

/** The store that this host knows may be at another one of the addresses. */
function isElsewhere(verdict: Verdict): verdict is Elsewhere {
  return verdict.is === 'foreign' || (verdict.is === 'restored' && verdict.cluster === undefined)
}

type Elsewhere = Extract<Verdict, { is: 'foreign' | 'restored' }>

/**
 * True when another server has this host's cluster, and is asked from now on. Throws `unavailable` when a
 * server does not answer that may have it: nothing is put into a store that may be a wrong one.
 */
async function moveToOwn(on: Reader, { cluster: own }: Position, { why }: Elsewhere): Promise<boolean> {
  if (own === undefined) return false
  const key = `${on.prefix}/${clusterKey}`
  const moved = await on.client.moveTo(key, ({ items }) =>
    items.some((item) => item.key === key && readCluster(item.text)?.id === own.id),
  )
  if (moved.is === 'silent') {
    const { failure } = moved
    const refuses = isDenied(failure)
    const start = 'start that server, or leave it out of --kv-store if it is gone for good'
    throw refuse(on, {
      is: 'foreign',
      why: `${why}, and another server ${refuses ? 'does not tell' : 'is silent'}: ${failure.message}`,
      hint: (refuses && failure.hint) || start,
    })
  }
  if (moved.is === 'moved')
    on.log.error({ why }, 'the servers of --kv-store are not of one cluster: another one is asked')
  return moved.is === 'moved'
}

function judgeOf(on: Reader, known: Position, found: SortedItems): Verdict {
  const snapshot = on.mirror.snapshot()
  return judge(known, on.copyIsDamaged || tables.some((table) => snapshot[table].size > 0), facts(found))
}

function facts({ cluster, entries, newestSegment, records }: SortedItems) {
  const hasLost = (entry: string): boolean => lacks(entries, entry)
  return { cluster, hasLost, newestSegment, records: records.length }
}

async function list(on: Reader): Promise<SortedItems> {
  const { client, changelog, prefix, standing, signal } = on
  const listing = await client.list(`${prefix}/`, { consistent: true, patient: true, signal })
  if (listing.filtered === true) throw refuseFiltered(on)
  const { items, bytes } = listing
  standing.bytes = bytes
  return sortItems(prefix, changelog.folder, items)
}

/** What a filtered list lacks is not gone. Commits go on: Consul checks each by itself. */
function refuseFiltered(on: Reader): DriverError {
  const doubt = `this host's Consul token may not read every key under ${on.prefix}/`
  const hint = `give it (the anonymous token without --kv-token-file) a policy with key_prefix "${on.prefix}/" { policy = "write" }, and without rules below that hide keys`
  setDoubt(on, { doubt, hint })
  return new DriverError('unavailable', doubt, { hint })
}

function refuse(on: Reader, { why, hint }: Extract<Verdict, { is: 'foreign' }>): DriverError {
  setDoubt(on, { doubt: why, hint })
  on.standing.guard = undefined
  return new DriverError('unavailable', `the store is not used: ${why}`, { hint })
}

/** A doubt that lasts is found anew by each read, and logged once. */
function setDoubt({ standing, log }: Reader, now: { doubt: string; hint?: string }): void {
  const { doubt, hint } = now
  if (doubt !== standing.doubt) log.warn(hint === undefined ? {} : { hint }, doubt)
  Object.assign(standing, { doubt, hint })
}

/** Paths of records that the mirror has and the read lacks: a part of them where there are many. */
function absentFrom({ records }: SortedItems, snapshot: Snapshot): string[] {
  const found = new Set(records.map(recordName))
  const absent = keysIn(snapshot).filter((at) => !found.has(recordName(at)))
  const each = Math.ceil(absent.length / maxOperations)
  return absent.filter((_, at) => at % each === 0).map(pathOf)
}

/**
 * Consul before 1.11, and any to the anonymous token, leaves out of a list without a word what the token may
 * not read: all of it, as if the store were empty, or some keys. A transaction is refused to such a token.
 */
async function checkMayRead(on: Reader, paths: readonly string[]): Promise<void> {
  try {
    // A key that is there by now was made since the list.
    await on.client.transact(paths.map((path) => ({ Verb: 'check-not-exists', Key: `${on.prefix}/${path}` })))
  } catch (error) {
    throw isDenied(error) ? refuseFiltered(on) : error
  }
}

/** Begins the change log where it is missing. False: the list is to be made again. */
async function hasLog(
  { client, changelog, prefix }: Reader,
  { entries }: SortedItems,
  isSamePast: boolean,
): Promise<boolean> {
  const head = changelog.adopt(entries, isSamePast)
  if (head !== undefined) await client.transact([createStep(`${prefix}/${head}`, {})])
  return head === undefined
}

/** By whichever host comes first. */
async function makeCluster({ client, prefix }: Reader): Promise<void> {
  await client.transact([createStep(`${prefix}/${clusterKey}`, { id: newWord(), format: supportedFormat })])
}

/**
 * The incarnation that has the records again. Undefined when another host was faster to begin: what it made
 * is judged anew.
 */
async function repair(
  on: Reader,
  known: Position,
  found: SortedItems,
  verdict: Extract<Verdict, { is: 'restored' }>,
): Promise<Cluster | undefined> {
  const { standing, log } = on
  standing.guard = undefined
  setDoubt(on, { doubt: `the store has lost records: ${verdict.why}; this host puts its records back` })
  const cluster = verdict.repaired ? verdict.cluster : await beginIncarnation(on, known, found, verdict)
  if (cluster === undefined) return undefined
  const isFromDisk = standing.cluster === undefined
  if (isFromDisk && verdict.repaired) await othersFinish(on, cluster, found)
  const past: Past = { known, order: orderOf(known, cluster), isFromDisk }
  const own = await putBack(on, cluster, past, ownChanges)
  await delay(Math.random() * on.pauseMs, undefined, { signal: on.signal })
  const others = await putBack(on, cluster, past, othersChanges)
  log.warn({ own: own.count, others: others.count }, 'records were put back')
  await finish(on, past, cluster, others.found)
  return cluster
}

/** What this host brings to a repair. */
interface Past extends Pick<Restored, 'order' | 'isFromDisk'> {
  known: Position
}

/** The repair may lack records with a higher index: all, until a host has finished it. */
function lackingIn(found: SortedItems, { known, isFromDisk }: Past, cluster: Cluster): number {
  if (found.repairs.has(cluster.restored ?? '')) return 0
  const upTo = readUpTo(upToIn(found, cluster)?.text ?? '')
  if (upTo !== undefined) return lackingAbove(known, cluster, upTo)
  // By an earlier driver. What this process has read is mostly as new as the loss; a copy on disk may be old.
  return isFromDisk ? Number.POSITIVE_INFINITY : 0
}

function upToIn(
  { repairs }: SortedItems,
  { restored }: Cluster,
): { text: string; index: number } | undefined {
  return repairs.get(`${restored}/${upToName}`)
}

/** This host has put back what the repair lacked: the hosts that come later learn how far that reaches. */
async function finish(on: Reader, past: Past, cluster: Cluster, found: SortedItems): Promise<void> {
  // Without a word, a person has written the key `cluster` anew.
  const { restored } = cluster
  if (restored === undefined || lackingIn(found, past, cluster) === Number.POSITIVE_INFINITY) return
  const isWhole = !(past.isFromDisk && on.copyIsDamaged) && on.mirror.corrupt().length === 0
  const upTo = upToOf(past.known, isWhole)
  const before = upToIn(found, cluster)
  if (before !== undefined && !isFurther(upTo, readUpTo(before.text))) return
  const Key = repairMark(on.prefix, cluster)
  // Refused when another host has done the same, or when the store has lost its data again.
  await on.client.transact([
    { Verb: 'check-index', Key: `${on.prefix}/${clusterKey}`, Index: found.cluster?.index ?? 0 },
    { Verb: 'delete', Key },
    { Verb: 'cas', Key: `${Key}/${upToName}`, Value: encoded(upTo), Index: before?.index ?? 0 },
  ])
}

/** Of `pauseMs`. A host that puts records back rests for less than one; without one more record it has stopped. */
const stoppedAfterPauses = 5

/**
 * Resolves when another host has finished the repair, or has stopped: then a copy on disk may be the last
 * that has the records, however old it is.
 */
async function othersFinish(on: Reader, { restored = '' }: Cluster, found: SortedItems): Promise<void> {
  let { repairs } = found
  let most = found.records.length
  for (let pauses = 0; repairs.has(restored) && pauses < stoppedAfterPauses; ) {
    await delay(on.pauseMs, undefined, { signal: on.signal })
    const now = await list(on)
    repairs = now.repairs
    pauses = now.records.length > most ? 0 : pauses + 1
    most = Math.max(most, now.records.length)
  }
}

function repairMark(prefix: string, { restored }: Cluster): string {
  return `${prefix}/${repairFolder}${restored}`
}

async function beginIncarnation(
  { client, changelog, prefix }: Reader,
  known: Position,
  found: SortedItems,
  { cluster, index }: Extract<Verdict, { is: 'restored' }>,
): Promise<Cluster | undefined> {
  const value = repairedCluster(known, cluster, newWord(), newWord())
  const head = headOf(Math.max(known.segment, found.newestSegment) + 1)
  const answer = await client.transact([
    { ...createStep(`${prefix}/${clusterKey}`, value), Index: index },
    // No host follows the earlier log any longer.
    { Verb: 'delete-tree', Key: `${prefix}/${changelog.folder}` },
    createStep(`${prefix}/${head}`, {}),
    { Verb: 'delete-tree', Key: `${prefix}/${repairFolder}` },
    createStep(repairMark(prefix, value), {}),
  ])
  return 'failedStep' in answer ? undefined : value
}

/**
 * Commits what `changesFor` finds; after a conflict it is found anew. Resolves with the number of records,
 * and with the store as it was before them.
 */
async function putBack(
  on: Reader,
  into: Cluster,
  past: Past,
  changesFor: typeof ownChanges,
): Promise<{ count: number; found: SortedItems }> {
  // The store can lose its data again meanwhile. Throws then: the next full read judges it anew.
  const look = async () => {
    const found = await list(on)
    const cluster = found.cluster && readCluster(found.cluster.text)
    if (found.cluster === undefined || cluster?.id !== into.id || cluster.restored !== into.restored)
      throw restartRepair()
    const { index } = found.cluster
    return { found, index, isLogged: await hasLog(on, found, false) }
  }
  for (let count = 0; ; ) {
    const { found, index, isLogged } = await look()
    if (!isLogged) continue
    const transacting = { ...on, incarnation: () => index, relearn: look }
    const lacksAbove = lackingIn(found, past, into)
    const store = { ...past, present: found.records.map(presentIn), repairedAt: index, lacksAbove }
    try {
      for (const changes of splitIntoCommits(changesFor(on.mirror.snapshot(), on.host, store))) {
        await transact(transacting, changes)
        count += changes.length
      }
      return { count, found }
    } catch (error) {
      if (!isCode(error, 'conflict')) throw error
    }
  }
}

function restartRepair(): DriverError {
  return new DriverError('unavailable', 'the store changed while this host put its records back')
}

/** A value without JSON was written by hand: it is not overwritten, and named as unreadable. */
function presentIn({ table, key, index, text }: SortedItems['records'][number]): Present {
  return { table, key, index, value: jsonIn(text) }
}

function createStep(key: string, value: object): TxnStep {
  return { Verb: 'cas', Key: key, Value: encoded(value), Index: 0 }
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64')
}

function newWord(): string {
  return randomBytes(8).toString('hex')
}
