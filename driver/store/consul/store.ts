/**
 * The store in Consul, for all versions from 1.8 on.
 *
 * A commit is one transaction: compare-and-set operations and an entry of the change log (change-log.ts). The
 * index in the answer updates the own mirror at once (mirror.ts); the other hosts follow the log (watch.ts).
 * A host's cost per change is the log of the last seconds, however large the store is; once a minute, less
 * often for a large store, everything is read again.
 */
import type { Change, HostName, Snapshot } from '../../core/records.ts'
import { hostRecords } from '../../core/snapshot.ts'
import { type Log, silentLog } from '../../log.ts'
import { type DiskCopy, openDiskCopy } from '../disk-copy.ts'
import type { Position } from '../incarnation.ts'
import { createListeners } from '../listeners.ts'
import { lookupIn } from '../lookup.ts'
import { createMirror, type Mirror } from '../mirror.ts'
import type { OwnSessions } from '../own-sessions.ts'
import { singleFlight } from '../single-flight.ts'
import type { ChangedKey, Store, StoreStatus } from '../store.ts'
import { type Announcer, createAnnouncer } from './alive.ts'
import { createChangelog } from './change-log.ts'
import { type ClientOptions, type ConsulClient, createClient } from './client.ts'
import { newStanding, type Reader, readInto } from './full-read.ts'
import { createHealth, type Health } from './health.ts'
import { usualTtlMs } from './session.ts'
import { transact } from './transactions.ts'
import { parseStoreUrl, showAddress } from './url.ts'
import { follow } from './watch.ts'

export interface ConsulOptions {
  /**
   * `consul://192.168.33.10:8500`, with the prefix as its path unless it is `multihost`; `https://…` for TLS.
   */
  url: string
  prefix?: string
  host: HostName
  tokenFile?: ClientOptions['tokenFile']
  tls?: ClientOptions['tls']
  wrote?: ClientOptions['wrote']
  /** Limit of every call. A watch is answered within half of it. */
  timeoutMs?: number
  /** How often everything is read again, to notice changes made by hand. A large store is read less often. */
  resyncMs?: number
  /** How long entries of the change log are kept, at least (change-log.ts). */
  retentionMs?: number
  sessionTtlMs?: number
  ownSessions?: OwnSessions | undefined
  /** Path of the disk copy. */
  diskPath?: string
  saveEveryMs?: number
  /** After a loss, before shared records are put back: up to this long. */
  pauseMs?: number
  /** For tests: Consul's API, instead of the one at `url`. */
  client?: ConsulClient
  log?: Log
}

/** The default of `timeoutMs`. */
const storeAnswersWithinMs = 4000

/** Resolves when the disk copy has been read, whether Consul answers or not. Throws `invalid` for the URL. */
export async function openConsulStore(options: ConsulOptions): Promise<Store> {
  const { host, timeoutMs = storeAnswersWithinMs, log = silentLog } = options
  const { retentionMs = 5000, sessionTtlMs = usualTtlMs, resyncMs = 60_000, pauseMs = 1000 } = options
  const address = parseStoreUrl(options.url, options.prefix)
  const { prefix } = address
  const url = showAddress(address)
  const failed = (error: unknown): void => log.error({ err: error }, 'a listener of the store failed')
  const listeners = createListeners<[Snapshot, readonly ChangedKey[]]>(failed)
  const freshness = createListeners<[]>(failed)
  const health = createHealth(log, freshness.notify)
  const client = options.client ?? createClient({ ...options, address, timeoutMs, heard: health.heard })
  const copy = await openDiskCopy(options, url, log)
  const mirror = createMirror(copy.snapshot, {
    changed: (snapshot, keys) => {
      copy.update(snapshot, keys)
      listeners.notify(snapshot, keys)
    },
    corrupt: (error) => log.error({ err: error }, 'a value in the store is invalid and is ignored'),
  })
  const changelog = createChangelog({ host, retentionMs, now: () => performance.now() })
  const stop = new AbortController()
  const records = () => hostRecords(mirror.snapshot())
  const announcer = createAnnouncer({ ...options, client, records, prefix, host, ttlMs: sessionTtlMs, log })
  const common = { client, mirror, changelog, prefix, host, log, pauseMs, signal: stop.signal }
  const reader = readerOf({ ...common, isMember: announcer.holdsKey }, copy)
  const { position, standing } = reader
  const readAll = singleFlight(async () => {
    await readInto(reader)
    copy.remember(position())
  })
  const watching = follow({
    ...{ ...common, readAll, connected: health.watching },
    waitMs: timeoutMs / 2,
    delivered: () => copy.remember(position()),
    resyncMs: () => Math.max(resyncMs, standing.bytes / resyncBytesPerMs),
  })
  const status = (): StoreStatus => {
    const failure = copy.failure()
    return { ...statusOf(url, reader, health), ...(failure !== undefined && { unwritten: [failure] }) }
  }

  return {
    snapshot: mirror.snapshot,
    lookup: (table, key) => lookupIn(mirror.snapshot(), status(), table, key),
    async read() {
      await readAll()
      return mirror.snapshot()
    },
    commit: (changes) => commit(reader, changes, readAll),
    onChange: listeners.add,
    onFresh: freshness.add,
    status,
    announce: announcing(announcer, mirror, readAll),
    lastAnnouncement: announcer.lastAnnouncement,
    endSession: client.destroySession,
    liveness: announcer.liveness,
    close: closing({ stop, copy, announcer, watching, client }),
  }
}

function closing(of: {
  stop: AbortController
  copy: DiskCopy
  announcer: Announcer
  watching: Promise<void>
  client: ConsulClient
}): Store['close'] {
  return async () => {
    of.stop.abort()
    // Before Consul is asked anything: it may be silent.
    await of.copy.flush()
    await Promise.all([of.watching, of.announcer.close()])
    of.client.close()
    await of.copy.flush()
  }
}

/** What was missing before this host was a member is put back when it is one. */
function announcing(announcer: Announcer, mirror: Mirror, readAll: () => Promise<void>): Store['announce'] {
  return async (self) => {
    const wasMember = announcer.holdsKey()
    const outcome = await announcer.announce(self)
    const isDue = outcome.held && !wasMember && mirror.missing().length > 0
    if (isDue) void readAll().catch(() => 'the next full read puts it back')
    return outcome
  }
}

function readerOf(
  parts: Omit<Reader, 'position' | 'standing' | 'copyIsDamaged'>,
  copy: Pick<DiskCopy, 'position' | 'isDamaged'>,
): Reader {
  const standing = newStanding()
  const position = (): Position => {
    if (standing.cluster === undefined) return copy.position
    const { changelog, mirror } = parts
    return {
      ...{ cluster: standing.cluster, ...changelog.position(), index: mirror.index() },
      ...(mirror.corrupt().length > 0 && { isPartial: true }),
    }
  }
  return { ...parts, position, standing, copyIsDamaged: copy.isDamaged }
}

/** Share of the network that full reads may take: a change by hand is noticed later in a larger store. */
const resyncBytesPerMs = 16

async function commit(on: Reader, changes: readonly Change[], relearn: () => Promise<void>): Promise<void> {
  const { index, written } = await transact({ ...on, incarnation: () => on.standing.guard, relearn }, changes)
  on.mirror.commit(index, written)
}

function statusOf(url: string, { mirror, standing }: Reader, health: Health): StoreStatus {
  const { doubt, hint, cluster } = standing
  return {
    url,
    fresh: health.fresh(),
    ageMs: health.ageMs(),
    index: mirror.index(),
    lastError: health.lastError(),
    corrupt: mirror.corrupt(),
    missing: mirror.missing(),
    doubt: doubt === undefined ? undefined : { why: doubt, hint },
    cluster: cluster?.id,
  }
}
