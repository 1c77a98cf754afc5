/**
 * Sends this host's new endpoints to the other hosts directly, while Consul does not carry them.
 *
 * A container that starts while Consul is away is in this host's journal alone. Its host sends it to the
 * hosts of the network through the tunnel, at the container's Join and then once a second, until the store
 * has the endpoint. After an absence of the store this goes on for some seconds, since the others may not
 * have found the store again.
 */
import type { Endpoint, HostName, Ip, Snapshot } from '../../../core/records.ts'
import { listenersOf, textsOf } from '../../../core/tunnels/peer-endpoints.ts'
import type { EndpointJournal } from '../../../store/journal.ts'
import type { Store } from '../../../store/store.ts'

export interface SendOptions {
  store: Pick<Store, 'snapshot' | 'onChange' | 'status'> & { journal: Pick<EndpointJournal, 'waiting'> }
  host: HostName
  /** The snapshot with the endpoints that others have sent to this host: these make them listeners. */
  withPeerEndpoints(snapshot: Snapshot): Snapshot
  /** Text for the driver at that VTEP. */
  send(to: Ip, text: string): void
  /** By a clock that only grows, in milliseconds. */
  now(): number
}

export interface EndpointSender {
  /** Once a second. */
  tick(): void
  stop(): void
}

const sendForMs = 10_000
/** A store that has not taken an endpoint by then may hang. */
const hangsAfterMs = 500
/** So that the outer packet fits everywhere: RFC 8200 §5 has 1280 bytes, and the headers take up to 130. */
const mostBytes = 1100

interface State {
  readonly options: SendOptions
  /** Endpoints that are sent, and until when, by `now`. */
  readonly sending: Map<string, number>
  /** Of endpoints whose commit is under way. */
  readonly timers: Set<NodeJS.Timeout>
  awayAt: number
}

export function sendEndpoints(options: SendOptions): EndpointSender {
  const state: State = { options, sending: new Map(), timers: new Set(), awayAt: Number.NEGATIVE_INFINITY }
  const stop = options.store.onChange((_, keys) => {
    const news = keys
      .filter(({ table, key }) => table === 'endpoints' && !state.sending.has(key))
      .map(({ key }) => key)
      .filter((key) => own(state, key) !== undefined)
    if (news.length === 0) return
    if (wasAway(state)) begin(state, news)
    else beginLater(state, news)
  })
  return {
    tick: () => tick(state),
    stop() {
      stop()
      for (const timer of state.timers) clearTimeout(timer)
    },
  }
}

function begin(state: State, keys: readonly string[]): void {
  for (const key of keys) state.sending.set(key, state.options.now() + sendForMs)
  sendAll(state, keys)
}

/** Unless the store has them in time. */
function beginLater(state: State, keys: readonly string[]): void {
  const { journal } = state.options.store
  const timer = setTimeout(() => {
    state.timers.delete(timer)
    const waiting = new Set(journal.waiting())
    begin(
      state,
      keys.filter((key) => waiting.has(key)),
    )
  }, hangsAfterMs)
  state.timers.add(timer.unref())
}

function tick(state: State): void {
  const { options, sending } = state
  const isAway = wasAway(state)
  for (const key of options.store.journal.waiting())
    if (isAway || sending.has(key)) sending.set(key, options.now() + sendForMs)
  for (const [key, until] of sending) {
    if (until < options.now() || own(state, key) === undefined) sending.delete(key)
  }
  sendAll(state, sending.keys())
}

/** The store is away, or was a moment ago. */
function wasAway(state: State): boolean {
  const { store, now } = state.options
  if (!store.status().fresh) state.awayAt = now()
  return now() - state.awayAt < sendForMs
}

/** The endpoint, if it is this host's and has joined. */
function own({ options: { store, host } }: State, key: string): Endpoint | undefined {
  const value = store.snapshot().endpoints.get(key)?.value
  return value?.host === host && value.joined ? value : undefined
}

function sendAll(state: State, keys: Iterable<string>): void {
  const { store, withPeerEndpoints, send } = state.options
  const snapshot = withPeerEndpoints(store.snapshot())
  const byListener = new Map<Ip, Endpoint[]>()
  for (const key of keys) {
    const endpoint = own(state, key)
    if (endpoint === undefined) continue
    for (const vtep of listenersOf(snapshot, endpoint))
      byListener.set(vtep, [...(byListener.get(vtep) ?? []), endpoint])
  }
  for (const [vtep, endpoints] of byListener)
    for (const text of textsOf(endpoints, mostBytes)) send(vtep, text)
}
