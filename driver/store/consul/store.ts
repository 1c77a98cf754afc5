/**
 * The store in Consul, for all versions from 1.8 on.
 *
 * A commit is one transaction: compare-and-set operations and an entry of the change log (change-log.ts). The
 * index in the answer updates the own mirror at once (mirror.ts); the other hosts follow the log (watch.ts).
 * A host's cost per change is the log of the last seconds, however large the store is; once a minute, less
 * often for a large store, everything is read again.
 */
import { DriverError } from '../../core/errors.ts'
import type { Change, HostName, Snapshot } from '../../core/records.ts'
import { highestIndex } from '../../core/snapshot.ts'
import { type Log, silentLog } from '../../log.ts'
import { openDiskCopy } from '../disk-copy.ts'
import { createListeners } from '../listeners.ts'
import { createMirror, type Mirror } from '../mirror.ts'
import { restoreLostRecords } from '../restore-lost-records.ts'
import { singleFlight } from '../single-flight.ts'
import type { ChangedKey, Store, StoreStatus } from '../store.ts'
import { type Changelog, createChangelog } from './change-log.ts'
import { type ClientOptions, type ConsulClient, createClient } from './client.ts'
import { createHealth, type Health } from './health.ts'
import { createSessionKeeper } from './session.ts'
import { transact } from './transactions.ts'
import { parseStoreUrl, showAddress } from './url.ts'
import { follow, sortItems } from './watch.ts'

export interface ConsulOptions {
  /**
   * `consul://192.168.33.10:8500`, with the prefix as its path unless it is `multihost`; `https://…` for TLS.
   */
  url: string
  prefix?: string
  host: HostName
  token?: string
  tls?: ClientOptions['tls']
  wrote?: ClientOptions['wrote']
  /** Limit of every call. A watch is answered within half of it. */
  timeoutMs?: number
  /** How often everything is read again, to notice changes made by hand. A large store is read less often. */
  resyncMs?: number
  /** How long entries of the change log are kept, at least. */
  retentionMs?: number
  sessionTtlMs?: number
  /** Path of the disk copy. */
  diskPath?: string
  saveEveryMs?: number
  log?: Log
}

/** The default of `timeoutMs`. */
export const storeAnswersWithinMs = 4000

/** Resolves when the disk copy has been read, whether Consul answers or not. Throws `invalid` for the URL. */
export async function openConsulStore(options: ConsulOptions): Promise<Store> {
  const { host, timeoutMs = storeAnswersWithinMs, log = silentLog } = options
  const { retentionMs = 5000, sessionTtlMs = 15_000 } = options
  const address = parseStoreUrl(options.url, options.prefix)
  const failed = (error: unknown): void => log.error({ err: error }, 'a listener of the store threw an error')
  const listeners = createListeners<[Snapshot, readonly ChangedKey[]]>(failed)
  const freshness = createListeners<[]>(failed)
  const health = createHealth(log, freshness.notify)
  const client = createClient({ ...options, address, timeoutMs, heard: health.heard })
  const copy = await openDiskCopy(options, showAddress(address), log)
  const mirror = createMirror(copy.snapshot, {
    changed: (snapshot, keys) => {
      copy.update(snapshot, keys)
      listeners.notify(snapshot, keys)
    },
    corrupt: (error) => log.error({ err: error }, 'a value in the store is invalid and is ignored'),
  })
  const changelog = createChangelog({ host, retentionMs, now: () => performance.now() })
  const known = highestIndex(copy.snapshot)
  const parts: Parts = { client, mirror, changelog, prefix: address.prefix, log, known, bytes: 0 }
  const readAll = singleFlight(() => readInto(parts))
  const session = createSessionKeeper(client, {
    name: `multihost ${host}`,
    ttlMs: sessionTtlMs,
    lost: (id) => log.warn({ session: id }, 'Consul has lost the session, it is made anew'),
  })
  const stop = new AbortController()
  const { resyncMs = 60_000 } = options
  const watching = follow({
    ...parts,
    ...{ readAll, waitMs: timeoutMs / 2, signal: stop.signal, connected: health.watching },
    resyncMs: () => Math.max(resyncMs, parts.bytes / resyncBytesPerMs),
  })

  return {
    snapshot: () => mirror.snapshot(),
    async read() {
      await within(timeoutMs, readAll())
      return mirror.snapshot()
    },
    commit: (changes) => commit(parts, changes, readAll),
    onChange: listeners.add,
    onFresh: freshness.add,
    status: () => statusOf(showAddress(address), mirror, health),
    session: session.session,
    sessions: async () => new Set(await client.sessions()),
    async close() {
      stop.abort()
      await Promise.all([watching, session.close()])
      client.close()
      await copy.flush()
    },
  }
}

interface Parts {
  client: ConsulClient
  mirror: Mirror
  changelog: Changelog
  prefix: string
  log: Log
  /** The index of the disk copy; 0 once Consul has answered. */
  known: number
  /** Length of the last full read's answer. */
  bytes: number
}

/** Share of the network that full reads may take: a change by hand is noticed later in a larger store. */
const resyncBytesPerMs = 16

async function within<T>(boundMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = () => new DriverError('unavailable', `Consul did not answer within ${boundMs} ms`)
    timer = setTimeout(() => reject(error()), boundMs)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

async function readInto(parts: Parts): Promise<void> {
  const full = parts.mirror.beginFullRead()
  try {
    const { records, top } = await listAll(parts)
    full.finish(records, top)
    parts.known = 0
  } finally {
    full.abandon()
  }
}

/** Reads everything. Records that Consul has lost are restored first. */
async function listAll(parts: Parts): Promise<ReturnType<typeof sortItems>> {
  const { mirror, log } = parts
  const found = await listWithLog(parts)
  if (found.index >= Math.max(mirror.index(), parts.known)) return found
  log.warn({ index: found.index, known: mirror.index() }, 'Consul has lost data')
  const relearn = () => listWithLog(parts)
  const count = await restoreLostRecords(mirror.snapshot(), found.records, (changes) =>
    transact({ ...parts, relearn }, changes),
  )
  log.warn({ records: count }, 'the records that Consul had lost were restored')
  return listWithLog(parts)
}

/** Reads everything, and starts the change log when there is none. */
async function listWithLog(parts: Parts): Promise<ReturnType<typeof sortItems> & { index: number }> {
  const { client, changelog, prefix } = parts
  for (;;) {
    const { items, index, bytes } = await client.list(`${prefix}/`, { consistent: true, patient: true })
    parts.bytes = bytes
    const found = { index, ...sortItems(prefix, changelog.folder, items) }
    const head = changelog.adopt(found.entries)
    if (head === undefined) return found
    const Value = Buffer.from('{}').toString('base64')
    await client.transact([{ Verb: 'cas', Key: `${prefix}/${head}`, Value, Index: 0 }])
  }
}

async function commit(parts: Parts, changes: readonly Change[], relearn: () => Promise<void>): Promise<void> {
  const { index, written } = await transact({ ...parts, relearn }, changes)
  parts.mirror.commit(index, written)
}

function statusOf(url: string, mirror: Mirror, health: Health): StoreStatus {
  return {
    url,
    fresh: health.fresh(),
    ageMs: health.ageMs(),
    index: mirror.index(),
    lastError: health.lastError(),
    corrupt: mirror.corrupt(),
  }
}
