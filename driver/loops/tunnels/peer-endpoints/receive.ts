/**
 * Endpoints that other hosts have sent to this one directly, on top of the store: what the datapath sees.
 *
 * An endpoint goes when the store has it or when its host is silent about it. While the store is away from
 * this host as well, nothing is forgotten: there is no other word.
 */
import * as z from 'zod'
import type { Endpoint, HostName, Ip, Snapshot } from '../../../core/records.ts'
import { keyIn } from '../../../core/snapshot.ts'
import { forPeers, hostAt, isBelieved, withPeerEndpoints } from '../../../core/tunnels/peer-endpoints.ts'
import type { Log } from '../../../log.ts'
import { createListeners } from '../../../store/listeners.ts'
import { checkRecord } from '../../../store/schemas.ts'
import type { ChangedKey, Store } from '../../../store/store.ts'

type Base = Pick<Store, 'snapshot' | 'onChange' | 'onFresh' | 'status' | 'lookup'>

export interface ReceiveOptions {
  store: Base
  host: HostName
  log: Log
  /** By a clock that only grows, in milliseconds. */
  now?: () => number
}

export interface PeerEndpoints {
  /** The store with the endpoints. */
  store: Base
  /** Any snapshot with the endpoints. */
  on(snapshot: Snapshot): Snapshot
  /** A message from that VTEP. What cannot be read or believed is left out. */
  receive(from: Ip, text: string): void
  stop(): void
}

const keptForMs = 5000
/** More than a host has: a flood of messages must not fill the memory. */
const most = 10_000

interface State {
  readonly options: ReceiveOptions
  readonly now: () => number
  readonly received: Map<string, { endpoint: Endpoint; at: number }>
  readonly notify: (snapshot: Snapshot, keys: readonly ChangedKey[]) => void
  /** What `view` was made from. Undefined: `view` is out of date. */
  base: Snapshot | undefined
  view: Snapshot
  timer: NodeJS.Timeout | undefined
}

export function createPeerEndpoints(options: ReceiveOptions): PeerEndpoints {
  const { store, log, now = () => performance.now() } = options
  const changes = createListeners<[Snapshot, readonly ChangedKey[]]>((err) =>
    log.error({ err }, 'a listener of the store failed'),
  )
  const base = store.snapshot()
  const state: State = {
    options,
    now,
    received: new Map(),
    notify: changes.notify,
    base,
    view: base,
    timer: undefined,
  }
  const stop = store.onChange((_, keys) => {
    for (const { table, key } of keys) if (table === 'endpoints') state.received.delete(key)
    changes.notify(viewOf(state), keys)
  })
  return {
    store: { ...store, snapshot: () => viewOf(state), onChange: changes.add },
    on: (snapshot) => withPeerEndpoints(snapshot, endpointsIn(state)),
    receive: (from, text) => receive(state, from, text),
    stop() {
      stop()
      clearTimeout(state.timer)
    },
  }
}

function endpointsIn({ received }: State): Endpoint[] {
  return [...received.values()].map(({ endpoint }) => endpoint)
}

/** Made anew when the store's snapshot is another one. */
function viewOf(state: State): Snapshot {
  const base = state.options.store.snapshot()
  if (base !== state.base) {
    state.base = base
    state.view = withPeerEndpoints(base, endpointsIn(state))
  }
  return state.view
}

function receive(state: State, from: Ip, text: string): void {
  const { options, received, now } = state
  const snapshot = options.store.snapshot()
  const host = hostAt(snapshot, from)
  if (host === undefined || host === options.host) return
  const fresh = endpointsOf(text, host, from).filter((endpoint) => isBelieved(snapshot, endpoint))
  const news: string[] = []
  for (const endpoint of fresh) {
    const key = keyIn(endpoint.network, endpoint.id)
    const before = received.get(key)?.endpoint
    if (before === undefined && received.size >= most) continue
    received.set(key, { endpoint, at: now() })
    if (JSON.stringify(before) !== JSON.stringify(endpoint)) news.push(key)
  }
  if (news.length > 0) changed(state, news)
  forgetLater(state)
}

/** The endpoints in a message, as the sender's own. */
function endpointsOf(text: string, host: HostName, vtep: Ip): Endpoint[] {
  try {
    const values = z.array(z.looseObject({ network: z.string(), id: z.string() })).parse(JSON.parse(text))
    return values
      .map((value) => checkRecord('endpoints', keyIn(value.network, value.id), { ...value, host, vtep }))
      .map(forPeers)
  } catch {
    // Any machine on the underlay can send a packet; a later driver may say what this one does not understand.
    return []
  }
}

function changed(state: State, keys: readonly string[]): void {
  state.base = undefined
  state.notify(
    viewOf(state),
    keys.map((key) => ({ table: 'endpoints', key })),
  )
}

function forgetLater(state: State): void {
  if (state.received.size === 0) return
  state.timer ??= setTimeout(() => {
    state.timer = undefined
    forget(state)
    forgetLater(state)
  }, keptForMs / 5).unref()
}

function forget(state: State): void {
  const { options, received, now } = state
  if (!options.store.status().fresh) return
  const old = [...received].filter(([, { at }]) => now() - at > keptForMs).map(([key]) => key)
  for (const key of old) received.delete(key)
  if (old.length > 0) changed(state, old)
}
