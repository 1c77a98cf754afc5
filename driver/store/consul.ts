/**
 * The store in Consul, for all versions from 1.8 on.
 *
 * A commit is one transaction of compare-and-set steps plus an entry in the change log (changelog.ts); the answer's
 * index brings the own snapshot forward at once (replica.ts); other hosts follow the log (watch.ts). A host's cost
 * per change is the log of the last seconds, whatever the store holds; once a minute it reads everything.
 */
import { randomInt } from 'node:crypto'
import { DriverError } from '../core/errors.ts'
import type { Change, HostName } from '../core/model.ts'
import { type Changelog, createChangelog } from './changelog.ts'
import { type ClientOptions, type ConsulClient, createClient } from './client.ts'
import { coalesce } from './coalesce.ts'
import { copyOnDisk } from './copy.ts'
import { createHealth, type Health } from './health.ts'
import { pathOf } from './keys.ts'
import { createListeners } from './listeners.ts'
import { type Log, silent } from './log.ts'
import { createReplica, type Replica } from './replica.ts'
import { createSessionKeeper } from './session.ts'
import { conflictAt, maxSteps, stepsOf, txnStep, writtenBy } from './steps.ts'
import type { Store, StoreStatus } from './store.ts'
import { parseStoreUrl, showAddress } from './url.ts'
import { follow, sortItems } from './watch.ts'

export interface ConsulOptions {
  /** `consul://192.168.33.10:8500`, with the prefix behind it if it is not `multihost`; `https://…` for TLS. */
  url: string
  prefix?: string
  host: HostName
  token?: string
  tls?: ClientOptions['tls']
  /** For every call. */
  timeoutMs?: number
  /** How long a blocking query waits, and so how soon a silent Consul is noticed. */
  waitMs?: number
  /** How often everything is read again, for changes made by hand. */
  resyncMs?: number
  /** How long entries of the change log lie at least. */
  retentionMs?: number
  sessionTtlMs?: number
  /** Where a copy of the snapshot is kept. */
  diskPath?: string
  saveEveryMs?: number
  log?: Log
}

/** Resolves as soon as the copy on disk is read, whether Consul can be reached or not. Throws `invalid` for the URL. */
export async function openConsulStore(options: ConsulOptions): Promise<Store> {
  const { host, timeoutMs = 4000, log = silent, retentionMs = 5000, sessionTtlMs = 15_000 } = options
  const address = parseStoreUrl(options.url, options.prefix)
  const health = createHealth(log)
  const client = createClient({ ...options, address, timeoutMs, heard: health.heard })
  const listeners = createListeners((error) => log.error({ err: error }, 'a listener of the store failed'))
  const copy = await copyOnDisk(options, showAddress(address), log)
  const replica = createReplica(copy.snapshot, {
    changed: (snapshot, keys) => {
      copy.touch()
      listeners.tell(snapshot, keys)
    },
    corrupt: (error) => log.error({ err: error }, 'a value in the store cannot be used'),
  })
  copy.of(replica)
  const changelog = createChangelog({ host, retentionMs, now: () => performance.now() })
  const parts: Parts = { client, replica, changelog, prefix: address.prefix }
  const readAll = coalesce(() => readInto(parts))
  const session = createSessionKeeper(client, {
    name: `multihost ${host}`,
    ttlMs: sessionTtlMs,
    lost: (id) => log.warn({ session: id }, 'Consul has lost the session, it is made anew'),
  })
  const stop = new AbortController()
  const { waitMs = 10_000, resyncMs = 60_000 } = options
  const watching = follow({
    ...parts,
    ...{ readAll, waitMs, resyncMs, log, signal: stop.signal, connected: health.watching },
  })

  return {
    snapshot: () => replica.snapshot(),
    async read() {
      await readAll()
      return replica.snapshot()
    },
    commit: (changes) => commit(parts, changes),
    onChange: listeners.add,
    status: () => statusOf(showAddress(address), replica, health),
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
  replica: Replica
  changelog: Changelog
  prefix: string
}

async function readInto({ client, replica, changelog, prefix }: Parts): Promise<void> {
  const full = replica.beginFullRead()
  try {
    const { items } = await client.list(`${prefix}/`, { consistent: true })
    const { records, entries, top } = sortItems(prefix, changelog.folder, items)
    changelog.adopt(entries)
    full.finish(records, top)
  } finally {
    full.abandon()
  }
}

/** Consul's own limit, less the caller's steps and the log entry. */
const maxOperations = 64

async function commit(
  { client, replica, changelog, prefix }: Parts,
  changes: readonly Change[],
): Promise<void> {
  const steps = stepsOf(changes)
  if (steps.length === 0) return
  const flags = randomInt(2 ** 47)
  const operations = steps.map((step) => txnStep(step, prefix, flags))
  const written = writtenBy(steps)
  if (written.length > 0) {
    const logged = written.map(({ value, ...at }) => ({ path: pathOf(at), value }))
    const entry = changelog.entryFor(logged, maxOperations - Math.min(steps.length, maxSteps) - 1)
    for (const path of entry.deletes) operations.push({ Verb: 'delete', Key: `${prefix}/${path}` })
    // Last, because the index of the last key is the answer.
    const Value = Buffer.from(entry.text).toString('base64')
    operations.push({ Verb: 'cas', Key: `${prefix}/${entry.path}`, Value, Index: 0, Flags: flags })
  }
  const answer = await client.transact(operations)
  if (!('failedStep' in answer)) return replica.commit(answer.index, written)
  const step = steps[answer.failedStep]
  if (step === undefined)
    throw new DriverError('internal', `Consul refused step ${answer.failedStep} of the change log`)
  const unreadable = replica.corrupt().includes(`${step.table}/${step.key}`)
  throw conflictAt(
    step,
    unreadable ? `its value cannot be read; mend or delete ${prefix}/${pathOf(step)}` : undefined,
  )
}

function statusOf(url: string, replica: Replica, health: Health): StoreStatus {
  return {
    url,
    fresh: health.fresh(),
    ageMs: health.ageMs(),
    index: replica.index(),
    lastError: health.lastError(),
    corrupt: replica.corrupt(),
  }
}
