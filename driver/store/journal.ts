/**
 * The journal of this host's endpoints: what Docker was told and the store does not have yet.
 *
 * CreateEndpoint, Join and Leave write here, and this host sees it at once: `snapshot` is the store's with
 * the journal on top, for verbs, loops, names and DNS alike. A commit takes everything that waits, so that
 * concurrent starts share a transaction. While the store is away the entries stay, on disk too, and are
 * committed first when it is back. An entry whose address went to another host meanwhile is dropped; the
 * endpoints loop then names the container as cut off. An entry that changes a record which cannot be read
 * waits until a person has corrected the key, and one that the store refuses is dropped; the others go on.
 */
import { asDriverError, DriverError, isCode } from '../core/errors.ts'
import type { Endpoint, HostName, Ip, Snapshot } from '../core/records.ts'
import { addressesOf, recordName } from '../core/snapshot.ts'
import type { Log } from '../log.ts'
import { within } from '../within.ts'
import { fold, type JournalEntry } from './journal-changes.ts'
import type { JournalFile } from './journal-file.ts'
import { createListeners } from './listeners.ts'
import { isUnreadable, lookupIn } from './lookup.ts'
import { singleFlight } from './single-flight.ts'
import type { ChangedKey, Store, StoreStatus } from './store.ts'
import { perCommit } from './transaction-limits.ts'

export interface EndpointJournal {
  /** The snapshot has it at once. Resolves when it is on disk. `key`: NETWORK/ENDPOINT. */
  write(key: string, value: Endpoint | undefined, how?: { asked?: readonly Ip[] }): Promise<void>
  /** As `write`, in memory alone. Committed with the next write, or soon. */
  note(key: string, value: Endpoint | undefined): void
  /**
   * Replaces the endpoint by `change` of its present value, and commits soon. Does nothing where the snapshot
   * has no such endpoint.
   */
  update(key: string, change: (value: Endpoint) => Endpoint): void
  /**
   * Resolves when the store has what was written of this endpoint. Rejects with `unavailable` when the store
   * does not answer now, the entry stays then; with the reason when the entry was dropped.
   */
  committed(key: string): Promise<void>
  /** Endpoints that wait for the store: their keys. */
  waiting(): string[]
  /** Commits what waits if the store answers, and nothing afterwards. The store goes on. */
  stop(): Promise<void>
}

/** Also the other parts of the journal's file, which do not change the snapshot. */
export interface Journal
  extends EndpointJournal,
    Pick<JournalFile, 'returnedLeases' | 'removedNetworks' | 'begunStarts'> {}

export interface JournaledStore extends Store {
  journal: Journal
}

export interface JournalOptions {
  host: HostName
  log: Log
  now?: () => Date
}

interface Waiting extends JournalEntry {
  /** A commit of it was begun, by this driver or perhaps by an earlier one: the store may have it. */
  isSent: boolean
  done: { resolve(): void; reject(error: unknown): void }[]
}

interface State {
  readonly base: Store
  readonly host: HostName
  readonly log: Log
  readonly now: () => Date
  /** In the order of their first writing. */
  readonly entries: Map<string, Waiting>
  view: Snapshot
  save(): Promise<void>
  notify(snapshot: Snapshot, keys: readonly ChangedKey[]): void
  flush(): Promise<void>
  timer: NodeJS.Timeout | undefined
  closed: boolean
}

/** Entries that no call waits for are committed so much later; so are those that the store did not take. */
const soonMs = 150
const againMs = 500
/** A stop waits for the store for so long. */
const lastCommitMs = 500

export function withJournal(base: Store, file: JournalFile, options: JournalOptions): JournaledStore {
  const { host, log, now = () => new Date() } = options
  const failed = (err: unknown): void => log.error({ err }, 'a listener of the store failed')
  const changes = createListeners<[Snapshot, readonly ChangedKey[]]>(failed)
  const freshness = createListeners<[]>(failed)
  const { endpoints, returnedLeases, removedNetworks, begunStarts, failure } = file
  const mine = endpoints.earlier.filter(({ value }) => value === undefined || value.host === host)
  const entries = new Map(
    mine.map((entry): [string, Waiting] => [entry.key, { ...entry, isSent: true, done: [] }]),
  )
  const state: State = {
    base,
    host,
    log,
    now,
    entries,
    view: base.snapshot(),
    save: () => endpoints.save(() => entriesOf(state)),
    notify: changes.notify,
    flush: singleFlight(() => flush(state)),
    timer: undefined,
    closed: false,
  }
  state.view = viewOf(state)
  const stops = [
    base.onChange((_, keys) => {
      state.view = viewOf(state)
      changes.notify(state.view, keys)
    }),
    base.onFresh(() => {
      void state
        .flush()
        .catch(() => 'tried again')
        .finally(freshness.notify)
    }),
  ]
  if (entries.size > 0) later(state, soonMs)
  const stop = async (): Promise<void> => {
    await lastCommit(state)
    state.closed = true
    clearTimeout(state.timer)
    for (const stop of stops) stop()
    file.close()
    await state.save().catch((err: unknown) => log.error({ err }, 'the journal cannot be written'))
  }
  const journal = { ...journalOf(state), returnedLeases, removedNetworks, begunStarts, stop }
  const status = (): StoreStatus => statusOf(base.status(), failure())
  return storeOf(state, { onChange: changes.add, onFresh: freshness.add, status }, journal)
}

/** For an earlier version of the driver, which may follow and cannot read this journal. */
async function lastCommit(state: State): Promise<void> {
  if (state.closed || state.entries.size === 0 || !state.base.status().fresh) return
  const committed = state.flush().catch(() => 'the file has it')
  await within(committed, lastCommitMs)
}

function storeOf(
  state: State,
  own: Pick<Store, 'onChange' | 'onFresh' | 'status'>,
  journal: Journal,
): JournaledStore {
  const { base } = state
  return {
    ...base,
    ...own,
    snapshot: () => state.view,
    lookup: (table, key) => lookupIn(state.view, base.status(), table, key),
    async read() {
      await base.read()
      return state.view
    },
    async commit(changed) {
      const overlaid = new Set(overlaidNames(state))
      const touches = changed.some(
        (it) => it.op !== 'expect' && it.op !== 'absent' && overlaid.has(recordName(it)),
      )
      if (touches) {
        await state.flush()
        throw new DriverError('conflict', 'this host’s journal had a newer version of the record')
      }
      await base.commit(changed)
    },
    journal,
    async close() {
      await journal.stop()
      await base.close()
    },
  }
}

function statusOf(status: StoreStatus, failure: string | undefined): StoreStatus {
  return failure === undefined ? status : { ...status, unwritten: [failure, ...(status.unwritten ?? [])] }
}

function journalOf(state: State): Omit<EndpointJournal, 'stop'> {
  return {
    async write(key, value, { asked = [] } = {}) {
      put(state, key, value, asked)
      await saved(state)
    },
    note(key, value) {
      put(state, key, value)
      later(state, soonMs)
    },
    update(key, change) {
      const value = state.view.endpoints.get(key)?.value
      if (value === undefined || value.host !== state.host) return
      put(state, key, change(value))
      void state.flush().catch(() => 'tried again')
    },
    committed(key) {
      const entry = state.entries.get(key)
      if (entry === undefined) return Promise.resolve()
      return new Promise((resolve, reject) => {
        entry.done.push({ resolve, reject })
        // A failure reaches all that wait.
        void state.flush().catch(() => undefined)
      })
    },
    waiting: () => [...state.entries.keys()],
  }
}

/** On a full disk a store that answers is enough: the commit follows at once. */
async function saved(state: State): Promise<void> {
  try {
    await state.save()
  } catch (error) {
    state.log.error({ err: error }, 'the journal of endpoints cannot be written')
    if (state.base.status().fresh) return
    const { message, hint } = asDriverError(error)
    throw new DriverError('unavailable', message, { hint, cause: error })
  }
}

function put(state: State, key: string, value: Endpoint | undefined, asked: readonly Ip[] = []): void {
  const before = state.entries.get(key)
  const at = state.now().toISOString()
  const names = before === undefined ? [] : namesOf(state, before)
  // Otherwise a store that is away for days would let the journal grow with each container that comes and goes.
  if (before !== undefined && value === undefined && !mayBeStored(state, before)) {
    forget(state, before, names)
    return
  }
  const entry: Waiting = {
    key,
    value,
    at,
    asked: asked.length > 0 ? asked : (before?.asked ?? []),
    isSent: before?.isSent ?? false,
    done: before?.done ?? [],
  }
  state.entries.set(key, entry)
  state.view = viewOf(state)
  state.notify(state.view, [...names, ...namesOf(state, entry)])
}

function mayBeStored({ base }: State, { key, isSent }: Waiting): boolean {
  return isSent || base.snapshot().endpoints.has(key)
}

/** Of an endpoint that the store never had and that Docker has deleted. */
function forget(state: State, { key, done }: Waiting, names: readonly ChangedKey[]): void {
  state.entries.delete(key)
  state.view = viewOf(state)
  state.notify(state.view, names)
  for (const { resolve } of done) resolve()
  saveSoon(state)
}

/** The keys that an entry may change: its endpoint and its leases. */
function namesOf({ base }: State, { key, value }: JournalEntry): ChangedKey[] {
  const endpoint = value ?? base.snapshot().endpoints.get(key)?.value
  const ips = endpoint === undefined ? [] : addressesOf(endpoint)
  return [
    { table: 'endpoints', key },
    ...ips.map((ip): ChangedKey => ({ table: 'addresses', key: `${endpoint?.network}/${ip}` })),
  ]
}

function viewOf(state: State): Snapshot {
  const { base, host, entries } = state
  return entries.size === 0 ? base.snapshot() : fold(base.snapshot(), host, shown(state)).snapshot
}

function overlaidNames(state: State): string[] {
  const { base, host, entries } = state
  return entries.size === 0
    ? []
    : fold(base.snapshot(), host, shown(state))
        .changes.filter(({ op }) => op !== 'expect' && op !== 'absent')
        .map(recordName)
}

/** Without removals that wait for a person: the address of such an endpoint is not free. */
function shown(state: State): Waiting[] {
  return [...state.entries.values()].filter(
    (entry) => entry.value !== undefined || unreadableOf(state, entry) === undefined,
  )
}

/** A record that the entry changes and that cannot be read; the store refuses each commit with it. */
function unreadableOf(state: State, entry: Waiting): string | undefined {
  const status = state.base.status()
  if (status.corrupt.length === 0) return undefined
  const { changes } = fold(state.base.snapshot(), state.host, [entry])
  const found = [...changes, ...namesOf(state, entry)].find(({ table, key }) =>
    isUnreadable(status, table, key),
  )
  return found && recordName(found)
}

/** Entries that the store can take. Those that wait for the others get the reason. */
function committable(state: State): Waiting[] {
  return [...state.entries.values()].filter((entry) => {
    const name = unreadableOf(state, entry)
    if (name === undefined) return true
    const reason = new DriverError('unavailable', `the record ${name} cannot be read`, {
      hint: `correct or delete its key; 'multihost status' names it`,
    })
    for (const { reject } of entry.done.splice(0)) reject(reason)
    return false
  })
}

function entriesOf({ entries }: State): JournalEntry[] {
  return [...entries.values()].map(({ key, value, at, asked }) => ({ key, value, at, asked }))
}

function later(state: State, ms: number): void {
  if (state.closed || state.timer !== undefined) return
  state.timer = setTimeout(() => {
    state.timer = undefined
    void state.flush().catch(() => 'tried again')
  }, ms)
}

/** Commits what waits, until nothing does that the store can take. Throws `unavailable`. */
async function flush(state: State): Promise<void> {
  try {
    for (let conflicts = 0; state.entries.size > 0; ) {
      if (!state.base.status().fresh) throw new DriverError('unavailable', 'the store is away')
      const all = committable(state)
      if (all.length === 0) return later(state, againMs)
      for (const entry of all) entry.isSent = true
      conflicts = (await flushSome(state, all, conflicts)) ? 0 : conflicts + 1
      if (conflicts > maxConflicts)
        throw new DriverError('unavailable', 'other hosts change the same records')
    }
  } catch (error) {
    const reason = asDriverError(error)
    for (const { done } of state.entries.values()) for (const { reject } of done.splice(0)) reject(reason)
    if (!isCode(error, 'unavailable')) state.log.error({ err: error }, 'the journal cannot be committed')
    later(state, againMs)
    throw error
  }
}

const maxConflicts = 20

/** False after a conflict. The entries that could not be in a consistent state of the store are dropped. */
async function flushSome(state: State, all: readonly Waiting[], conflicts: number): Promise<boolean> {
  const { base, host } = state
  if (conflicts > 0) await base.read()
  // After several conflicts one entry at a time: an entry that conflicts again and again does not stop the others.
  const some = conflicts < 3 ? all : all.slice(0, 1)
  const { changes, refused, count } = fold(base.snapshot(), host, some, perCommit)
  if (refused.length > 0 && conflicts === 0) return false
  const taken = some.slice(0, count)
  const errors = new Map(refused.map(({ entry, error }) => [entry.key, error]))
  try {
    if (changes.length > 0) await base.commit(changes)
  } catch (error) {
    if (isCode(error, 'conflict') && error.hint === undefined) return false
    // Any other error says nothing of the entry, as that of a store that is closed.
    if (!isCode(error, 'invalid', 'internal')) throw error
    const [only, ...more] = taken
    if (only === undefined || more.length > 0) return flushEach(state, taken, conflicts)
    errors.set(only.key, asDriverError(error))
  }
  settleAll(state, taken, errors)
  return true
}

/** One commit per entry: the store refuses them together, for what one of them has. */
async function flushEach(state: State, taken: readonly Waiting[], conflicts: number): Promise<boolean> {
  for (const entry of taken) if (!(await flushSome(state, [entry], conflicts))) return false
  return true
}

function settleAll(state: State, taken: readonly Waiting[], errors: ReadonlyMap<string, DriverError>): void {
  for (const entry of taken) settle(state, entry, errors.get(entry.key))
  state.view = viewOf(state)
  const dropped = taken.filter(({ key }) => errors.has(key)).flatMap((entry) => namesOf(state, entry))
  if (dropped.length > 0) state.notify(state.view, dropped)
  saveSoon(state)
}

function saveSoon({ save, log }: State): void {
  void save().catch((err: unknown) => log.error({ err }, 'the journal cannot be written'))
}

/** A newer entry of the key goes on waiting, with those that wait for it. */
function settle(state: State, entry: Waiting, error: DriverError | undefined): void {
  if (error !== undefined) state.log.warn({ endpoint: entry.key, err: error }, 'an endpoint is given up')
  if (state.entries.get(entry.key) !== entry) return
  state.entries.delete(entry.key)
  for (const { resolve, reject } of entry.done.splice(0)) {
    if (error === undefined) resolve()
    else reject(error)
  }
}
