/**
 * Asks each host that this host shares a network with, once a second, through the tunnel.
 *
 * A question is as long as the underlay of both hosts allows, and so is its answer. A small one follows where the last
 * long one had no answer, to tell an MTU from a firewall. Nothing is programmed in the kernel for a peer, and no process
 * is started for a probe: a second costs a datagram and an answer per peer. docs/decisions/tunnel-probes.md.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { familyOf } from '../../core/addresses.ts'
import { type Life, type Liveness, lifeOf } from '../../core/liveness.ts'
import type { HostName, HostRecord, Ip, Snapshot } from '../../core/records.ts'
import {
  messageLength,
  type ProbeMessage,
  probePacket,
  readMessage,
  smallProbeBytes,
  textPacket,
} from '../../core/tunnels/packet.ts'
import {
  allPeers,
  type TunnelPeer,
  type TunnelState,
  type TunnelStatus,
  tunnelPeers,
} from '../../core/tunnels/peers.ts'
import type { Underlay } from '../../kernel/kernel.ts'
import type { TunnelSocket } from '../../kernel/tunnel-socket.ts'
import type { Log } from '../../log.ts'
import type { Store } from '../../store/store.ts'
import { announceMoves } from './announce.ts'
import { type AwayHosts, createAwayHosts } from './away-hosts.ts'
import { type TellOptions, tellEndpoints } from './tell-endpoints.ts'
import type { ToldEndpoints } from './told-endpoints.ts'

export interface TunnelsOptions {
  store: TellOptions['store'] & Pick<Store, 'liveness'>
  host: HostName
  underlay(): Underlay
  /** Absent: no probes. */
  open?: ((vtep: Ip) => Promise<TunnelSocket>) | undefined
  /** What other hosts tell of their endpoints. */
  told: Pick<ToldEndpoints, 'receive' | 'on'>
  /** What this host publishes of its tunnel has changed. */
  onChange(): void
  /** Other hosts are away than before. */
  onAway(): void
  log: Log
  everyMs?: number | undefined
  /** By a clock that only grows, in milliseconds. */
  now?: () => number
}

export interface TunnelsLoop {
  /** What the host's record says. */
  published(): NonNullable<HostRecord['tunnel']>
  status(): TunnelStatus[]
  /** Hosts that share a network with this one, and whose containers cannot be reached; another set after each change. */
  away(): ReadonlySet<HostName>
  /** Asks every host of the cluster, also those that this host shares no network with. Resolves when each state is known. */
  askAll(): Promise<TunnelStatus[]>
  close(): Promise<void>
}

/** Four questions, or three and a lost answer: a host is named within 5 s. */
const silentAfterMs = 3500
/** A driver that is stopped starts again within this time, or its host's session ends. */
const leavingForMs = 30_000
const reopenAfterMs = 5000
const livenessEveryMs = 5000

interface Peer extends TunnelPeer {
  /** By `now`. Questions are sent since then. */
  since: number
  longAt: number | undefined
  smallAt: number | undefined
  leftAt: number | undefined
  rttMs: number | undefined
  sendError: string | undefined
}

interface State {
  readonly options: TunnelsOptions
  readonly now: () => number
  readonly everyMs: number
  socket: TunnelSocket | undefined
  opening: boolean
  /** Of opening the socket, since it was open last. */
  failures: number
  openAt: number
  readonly peers: Map<HostName, Peer>
  /** The tables that `peers` was made from. */
  madeFrom: Pick<Snapshot, 'endpoints' | 'hosts' | 'networks'> | undefined
  /** Nonce → the question that waits for its answer. */
  readonly asked: Map<string, { peer: Peer; at: number; isLong: boolean }>
  lastTick: number
  liveness: Liveness | undefined
  livenessAt: number
  /** Until then, by `now`, every host of the cluster is asked. */
  allUntil: number
  asksAll: boolean
  mtuBytes: number
  closed: boolean
}

export function startTunnels(options: TunnelsOptions): TunnelsLoop {
  const state = stateOf(options)
  const { now, everyMs } = state
  const teller = tellEndpoints({
    ...options,
    now,
    withTold: options.told.on,
    send: (to, text) => tell(state, to, text),
  })
  const awayHosts = createAwayHosts({
    ...options,
    now,
    probed: (name) => probedState(state, name),
    life: (name) => lifeFrom(state, name),
  })
  const timer = setInterval(() => {
    tick(state)
    void learnLiveness(state, awayHosts)
    awayHosts.look()
    teller.tick()
  }, everyMs)
  const stop = announceMoves({
    ...options,
    vtep: () => options.underlay().address,
    socket: () => state.socket,
  })
  void open(state)
  return {
    published: () => ({ mtuBytes: state.options.underlay().mtuBytes, answers: state.socket !== undefined }),
    status: () => statusesOf(state),
    away: awayHosts.set,
    askAll: () => askAll(state),
    async close() {
      clearInterval(timer)
      stop()
      teller.stop()
      state.closed = true
      const { socket } = state
      if (socket === undefined) return
      await Promise.all(
        [...state.peers.values()].map((peer) => send(state, socket, peer, 'leaving', smallProbeBytes)),
      )
      socket.close()
    },
  }
}

function stateOf(options: TunnelsOptions): State {
  const { now = () => performance.now(), everyMs = 1000 } = options
  return {
    options,
    now,
    everyMs,
    socket: undefined,
    opening: false,
    failures: 0,
    openAt: 0,
    peers: new Map(),
    madeFrom: undefined,
    asked: new Map(),
    lastTick: now(),
    liveness: undefined,
    livenessAt: Number.NEGATIVE_INFINITY,
    allUntil: Number.NEGATIVE_INFINITY,
    asksAll: false,
    mtuBytes: options.underlay().mtuBytes,
    closed: false,
  }
}

async function open(state: State): Promise<void> {
  const { options, now } = state
  if (options.open === undefined || state.opening || now() < state.openAt) return
  state.opening = true
  state.openAt = now() + reopenAfterMs
  try {
    const socket = await options.open(options.underlay().address)
    if (state.closed) return socket.close()
    socket.onMessage((data) => received(state, socket, data))
    state.socket = socket
    state.failures = 0
    for (const peer of state.peers.values()) startAnew(peer, now())
    options.onChange()
  } catch (err) {
    options.log[state.failures === 0 ? 'warn' : 'debug']({ err }, 'tunnels cannot be probed, again soon')
    state.failures += 1
  } finally {
    state.opening = false
  }
}

function tick(state: State): void {
  const { options, now, everyMs, socket } = state
  const at = now()
  const wasLate = at - state.lastTick > everyMs + silentAfterMs / 2
  state.lastTick = at
  if (options.underlay().mtuBytes !== state.mtuBytes) options.onChange()
  state.mtuBytes = options.underlay().mtuBytes
  if (socket === undefined) void open(state)
  else if (options.underlay().address !== socket.vtep) reopen(state, socket)
  else askPeers(state, socket, wasLate)
}

function askPeers(state: State, socket: TunnelSocket, wasLate: boolean): void {
  const { now, everyMs, asked } = state
  const at = now()
  updatePeers(state)
  for (const [nonce, question] of asked) if (at - question.at > silentAfterMs) asked.delete(nonce)
  for (const peer of state.peers.values()) {
    // This process did not run: answers may have been lost, or wait.
    if (wasLate) startAnew(peer, at)
    if (peer.mtuBytes === undefined) continue
    void send(state, socket, peer, 'question', probeBytesFor(state, peer))
    const isLongLate = at - (peer.longAt ?? peer.since) > 1.5 * everyMs
    if (isLongLate) void send(state, socket, peer, 'question', smallProbeBytes)
  }
}

function reopen(state: State, socket: TunnelSocket): void {
  socket.close()
  state.socket = undefined
  state.openAt = 0
  void open(state)
}

/** A host that answers is known after one question. Another one is silent, or its driver answers no probes. */
async function askAll(state: State): Promise<TunnelStatus[]> {
  const { now, everyMs } = state
  const end = now() + silentAfterMs + 2 * everyMs
  state.allUntil = end
  do {
    await delay(everyMs)
  } while (now() < end && !(state.asksAll && statusesOf(state).every(({ state }) => state === 'answers')))
  return statusesOf(state)
}

function statusesOf(state: State): TunnelStatus[] {
  return [...state.peers.values()].map((peer) => statusOf(state, peer))
}

/** The tables are the same objects while nothing in them has changed. */
function updatePeers(state: State): void {
  const { options, peers, madeFrom, now } = state
  const asksAll = now() < state.allUntil
  const snapshot = options.store.snapshot()
  const { endpoints, hosts, networks } = snapshot
  const isSame =
    madeFrom?.endpoints === endpoints && madeFrom.hosts === hosts && madeFrom.networks === networks
  if (isSame && asksAll === state.asksAll) return
  state.madeFrom = { endpoints, hosts, networks }
  state.asksAll = asksAll
  const wanted = asksAll ? allPeers : tunnelPeers
  const found = new Map(
    wanted(snapshot, options.host, options.underlay().address).map((peer) => [peer.name, peer]),
  )
  for (const name of peers.keys()) if (!found.has(name)) peers.delete(name)
  for (const peer of found.values()) {
    const before = peers.get(peer.name)
    const isNew = before === undefined || before.vtep !== peer.vtep || before.mtuBytes !== peer.mtuBytes
    if (isNew) peers.set(peer.name, startAnew({ ...peer } as Peer, now()))
  }
}

function startAnew(peer: Peer, at: number): Peer {
  return Object.assign(peer, {
    since: at,
    longAt: undefined,
    smallAt: undefined,
    leftAt: undefined,
    sendError: undefined,
  })
}

function probeBytesFor({ options }: State, { mtuBytes = 0 }: Peer): number {
  return Math.min(options.underlay().mtuBytes, mtuBytes)
}

async function send(
  state: State,
  socket: TunnelSocket,
  peer: Peer,
  kind: ProbeMessage['kind'],
  outerBytes: number,
): Promise<void> {
  const { options, asked, now } = state
  const from = options.underlay().address
  const nonce = randomNonce()
  if (kind === 'question') asked.set(nonce, { peer, at: now(), isLong: outerBytes > smallProbeBytes })
  const packet = probePacket({ kind, from, nonce }, messageLength(outerBytes, familyOf(from)))
  peer.sendError = await socket.send(packet, peer.vtep)
}

/** Nothing acknowledges it, and it is repeated. */
function tell({ socket, options }: State, to: Ip, text: string): void {
  const from = options.underlay().address
  void socket?.send(textPacket({ kind: 'endpoints', from, nonce: randomNonce(), text }), to)
}

function randomNonce(): string {
  return randomBytes(8).toString('hex')
}

function received(state: State, socket: TunnelSocket, data: Buffer): void {
  const message = readMessage(data)
  if (message?.kind === 'question') answer(state, socket, message, data.length)
  else if (message?.kind === 'endpoints') state.options.told.receive(message.from, message.text ?? '')
  else if (message !== undefined) heard(state, message)
}

function heard(state: State, message: ProbeMessage): void {
  const { asked, peers, now } = state
  if (message.kind === 'leaving') {
    for (const peer of peers.values()) if (peer.vtep === message.from) peer.leftAt = now()
    return
  }
  const question = asked.get(message.nonce)
  if (question === undefined) return
  asked.delete(message.nonce)
  const { peer, at, isLong } = question
  peer.leftAt = undefined
  peer.rttMs = now() - at
  if (isLong) peer.longAt = now()
  else peer.smallAt = now()
}

/** Only hosts of the cluster are answered: the sender's address is what the message says. */
function answer(state: State, socket: TunnelSocket, { from, nonce }: ProbeMessage, length: number): void {
  const { options, peers } = state
  const isHost = [...options.store.snapshot().hosts.values()].some(({ value }) => value.vtep === from)
  if (!isHost) return
  for (const peer of peers.values()) if (peer.vtep === from) peer.leftAt = undefined
  void socket.send(probePacket({ kind: 'answer', from: options.underlay().address, nonce }, length), from)
}

/** A host that was switched off does not answer either. Asked for only while a host is silent, or cannot be probed. */
async function learnLiveness(state: State, awayHosts: AwayHosts): Promise<void> {
  const { now, options, peers } = state
  const isSilent = [...peers.values()].some((peer) => tunnelState(state, peer) === 'silent')
  if (!(isSilent || awayHosts.needsStore()) || now() - state.livenessAt < livenessEveryMs) return
  state.livenessAt = now()
  // The store may be away: then the last answer counts.
  state.liveness = await options.store.liveness().catch(() => state.liveness)
}

function tunnelState(state: State, peer: Peer): TunnelState {
  const { now, socket } = state
  const isRecent = (at: number | undefined): boolean => at !== undefined && now() - at <= silentAfterMs
  if (socket === undefined || peer.mtuBytes === undefined) return 'unknown'
  if (isRecent(peer.longAt)) return 'answers'
  if (isRecent(peer.since) || (peer.leftAt !== undefined && now() - peer.leftAt < leavingForMs))
    return 'unknown'
  return isRecent(peer.smallAt) ? 'small-only' : 'silent'
}

function statusOf(state: State, peer: Peer): TunnelStatus {
  const { name, vtep, rttMs, longAt, since, sendError } = peer
  const found = tunnelState(state, peer)
  return {
    host: name,
    vtep,
    state: found === 'silent' && lifeFrom(state, name) === 'away' ? 'away' : found,
    probeBytes: probeBytesFor(state, peer),
    ...(rttMs === undefined ? {} : { rttMs }),
    ...(found === 'silent' || found === 'small-only'
      ? { silentS: Math.round((state.now() - (longAt ?? since)) / 1000) }
      : {}),
    ...(sendError === undefined ? {} : { sendError }),
  }
}

/** Undefined for a host that is not probed. */
function probedState(state: State, name: HostName): TunnelState | undefined {
  const peer = state.peers.get(name)
  const isProbed = state.socket !== undefined && peer?.mtuBytes !== undefined
  return isProbed ? tunnelState(state, peer) : undefined
}

function lifeFrom({ liveness, options }: State, name: HostName): Life {
  const record = options.store.snapshot().hosts.get(name)?.value
  return liveness === undefined ? 'unknown' : lifeOf(name, record, liveness)
}
