/**
 * Asks each host that this host shares a network with, once a second, through the tunnel, on one UDP port.
 *
 * A question is as long as the underlay of both hosts allows, and so is its answer. A small one follows where
 * the last long one had no answer, to tell an MTU from a firewall. Nothing is programmed in the kernel for a
 * peer, and no process is started for a probe: a second costs a datagram and an answer per peer.
 * docs/decisions/tunnel-probes.md.
 */
import { randomBytes } from 'node:crypto'
import { defined } from '../../core/defined.ts'
import { familyOf } from '../../core/ip.ts'
import type { Life } from '../../core/liveness.ts'
import type { HostName, Ip } from '../../core/records.ts'
import {
  messageLength,
  type ProbeMessage,
  probePacket,
  readMessage,
  smallProbeBytes,
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
import { computedFrom } from '../kit/computed-from.ts'
import { createPeerDriver, type PeerDriver } from './peer-driver.ts'
import type { PeerEndpoints } from './peer-endpoints/receive.ts'

export type OpenTunnel = (vtep: Ip, port: number) => Promise<TunnelSocket>

export interface ProberOptions {
  store: Pick<Store, 'snapshot'>
  host: HostName
  port: number
  underlay(): Underlay
  /** Undefined: no probes. */
  openTunnel: OpenTunnel | undefined
  /** What other hosts tell of their endpoints. */
  peerEndpoints: Pick<PeerEndpoints, 'receive'>
  /** What this host publishes of its tunnel has changed. */
  onChange(): void
  /** What the store said last. */
  life(host: HostName): Life
  log: Log
  everyMs: number
  /** By a clock that only grows, in milliseconds. */
  now(): number
}

export interface Prober {
  /** Undefined while it cannot be opened: questions are neither sent nor answered. */
  socket(): TunnelSocket | undefined
  isOpening(): boolean
  tick(): void
  statuses(): TunnelStatus[]
  /** Undefined for a host that is not probed. */
  probed(host: HostName): TunnelState | undefined
  /** Until then, by `now`, every host of the cluster is asked, also those that this host shares no network with. */
  askAllUntil(at: number): void
  /** Every host is asked now, and has answered. */
  allAnswer(): boolean
  close(): Promise<void>
}

/** Four questions, or three and a lost answer: a host is named within 5 s. */
export const silentAfterMs = 3500
/** The tables that name the peers. */
const tables = ['endpoints', 'hosts', 'networks'] as const
/** A driver that is stopped starts again within this time, or its host's session ends. */
const leavingForMs = 30_000
const reopenAfterMs = 5000
/** Consul ends a session of 15 s after 30 s at most, and the host's liveness is asked every few seconds. */
const sessionEndsAfterMs = 45_000

interface Peer extends TunnelPeer {
  readonly driver: PeerDriver
  /** By `now`. Questions are sent since then. */
  since: number
  longAt: number | undefined
  smallAt: number | undefined
  leftAt: number | undefined
  rttMs: number | undefined
  sendError: string | undefined
}

interface State {
  readonly options: ProberOptions
  socket: TunnelSocket | undefined
  opening: boolean
  /** Of opening the socket, since it was open last. */
  failures: number
  openAt: number
  readonly peers: Map<HostName, Peer>
  /** Hosts that share a network of this port with this one. */
  readonly sharing: () => readonly TunnelPeer[]
  /** The hosts of the cluster. */
  readonly all: () => readonly TunnelPeer[]
  /** What `peers` was made from: one of the two lists. */
  madeFrom: readonly TunnelPeer[] | undefined
  /** Nonce → the question that waits for its answer. */
  readonly asked: Map<string, { peer: Peer; at: number; isLong: boolean }>
  lastTick: number
  /** Until then, by `now`, every host of the cluster is asked. */
  allUntil: number
  asksAll: boolean
  mtuBytes: number
  closed: boolean
}

export function startProber(options: ProberOptions): Prober {
  const { store, host, underlay, port } = options
  const self = () => ({ host, vtep: underlay().address })
  const state: State = {
    options,
    socket: undefined,
    opening: false,
    failures: 0,
    openAt: 0,
    peers: new Map(),
    sharing: computedFrom(store, tables, (snapshot) => tunnelPeers(snapshot, self(), port)),
    all: computedFrom(store, tables, (snapshot) => allPeers(snapshot, self())),
    madeFrom: undefined,
    asked: new Map(),
    lastTick: options.now(),
    allUntil: Number.NEGATIVE_INFINITY,
    asksAll: false,
    mtuBytes: options.underlay().mtuBytes,
    closed: false,
  }
  void open(state)
  return {
    socket: () => state.socket,
    isOpening: () => state.opening,
    tick: () => tick(state),
    statuses: () => statusesOf(state),
    probed: (host) => probedState(state, host),
    askAllUntil(at) {
      state.allUntil = at
    },
    allAnswer: () => state.asksAll && statusesOf(state).every((it) => it.state === 'answers'),
    close: () => close(state),
  }
}

async function close(state: State): Promise<void> {
  state.closed = true
  const { socket } = state
  if (socket === undefined) return
  state.socket = undefined
  await Promise.all(
    [...state.peers.values()].map((peer) => send(state, socket, peer, 'leaving', smallProbeBytes)),
  )
  socket.close()
}

async function open(state: State): Promise<void> {
  const { options } = state
  const { now } = options
  if (options.openTunnel === undefined || state.opening || now() < state.openAt) return
  state.opening = true
  state.openAt = now() + reopenAfterMs
  try {
    const socket = await options.openTunnel(options.underlay().address, options.port)
    if (state.closed) return socket.close()
    socket.onMessage((data) => received(state, socket, data))
    state.socket = socket
    state.failures = 0
    for (const peer of state.peers.values()) startAnew(peer, now())
    options.onChange()
  } catch (err) {
    const level = state.failures === 0 ? 'warn' : 'debug'
    options.log[level]({ err, port: options.port }, 'tunnels cannot be probed, again soon')
    state.failures += 1
  } finally {
    state.opening = false
  }
}

function tick(state: State): void {
  const { options, socket } = state
  const { now, everyMs } = options
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
  const { asked } = state
  const { now, everyMs } = state.options
  const at = now()
  updatePeers(state)
  const sharing = new Set(state.sharing().map(({ name }) => name))
  for (const [nonce, question] of asked) if (at - question.at > silentAfterMs) asked.delete(nonce)
  for (const peer of state.peers.values()) {
    // This process did not run: answers may have been lost, or wait.
    if (wasLate) startAnew(peer, at)
    if (peer.mtuBytes === undefined) continue
    void send(state, socket, peer, 'question', probeBytesFor(state, peer))
    const isLongLate = at - (peer.longAt ?? peer.since) > 1.5 * everyMs
    peer.driver.tick(socket, peer.vtep, { isLate: isLongLate, hasNetwork: sharing.has(peer.name) })
    if (isLongLate) void send(state, socket, peer, 'question', smallProbeBytes)
  }
}

function reopen(state: State, socket: TunnelSocket): void {
  socket.close()
  state.socket = undefined
  state.openAt = 0
  void open(state)
}

function statusesOf(state: State): TunnelStatus[] {
  return [...state.peers.values()].map((peer) => statusOf(state, peer))
}

function updatePeers(state: State): void {
  const { options, peers } = state
  state.asksAll = options.now() < state.allUntil
  const wanted = state.asksAll ? state.all() : state.sharing()
  if (wanted === state.madeFrom) return
  state.madeFrom = wanted
  const found = new Map(wanted.map((peer) => [peer.name, peer]))
  for (const name of peers.keys()) if (!found.has(name)) peers.delete(name)
  for (const peer of found.values()) {
    const before = peers.get(peer.name)
    const isSame = before?.vtep === peer.vtep
    if (isSame && before.mtuBytes === peer.mtuBytes) continue
    const driver = isSame ? before.driver : createPeerDriver(options.now, options.port)
    peers.set(peer.name, startAnew({ ...peer, driver } as Peer, options.now()))
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
  const { options, asked } = state
  const from = options.underlay().address
  const nonce = randomNonce()
  if (kind === 'question') asked.set(nonce, { peer, at: options.now(), isLong: outerBytes > smallProbeBytes })
  const message = { kind, from, nonce, driverPort: socket.driverPort }
  const packet = probePacket(message, messageLength(outerBytes, familyOf(from)))
  peer.sendError = await socket.send(packet, peer.vtep)
}

export function randomNonce(): string {
  return randomBytes(8).toString('hex')
}

function received(state: State, socket: TunnelSocket, data: Buffer): void {
  const message = readMessage(data)
  if (message?.kind === 'question') answer(state, socket, message, data.length)
  else if (message?.kind === 'endpoints')
    state.options.peerEndpoints.receive(message.from, message.text ?? '')
  else if (message !== undefined) heard(state, message)
}

function heard(state: State, message: ProbeMessage): void {
  const { asked, peers } = state
  const { now } = state.options
  if (message.kind === 'leaving') {
    for (const peer of peers.values()) if (peer.vtep === message.from) peer.leftAt = now()
    return
  }
  const question = asked.get(message.nonce)
  if (question === undefined) return
  asked.delete(message.nonce)
  const { peer, at, isLong } = question
  peer.driver.heard(message.driverPort)
  peer.leftAt = undefined
  peer.rttMs = now() - at
  if (isLong) peer.longAt = now()
  else peer.smallAt = now()
}

/** Only hosts of the cluster are answered: the sender's address is what the message says. */
function answer(state: State, socket: TunnelSocket, question: ProbeMessage, length: number): void {
  const { options, peers } = state
  const { from, nonce } = question
  const isHost = [...options.store.snapshot().hosts.values()].some(({ value }) => value.vtep === from)
  if (!isHost) return
  for (const peer of peers.values()) {
    if (peer.vtep !== from) continue
    peer.leftAt = undefined
    peer.driver.heard(question.driverPort)
  }
  const own = { from: options.underlay().address, driverPort: socket.driverPort }
  void socket.send(probePacket({ kind: 'answer', nonce, ...own }, length), from)
}

function tunnelState(state: State, peer: Peer): TunnelState {
  const { socket } = state
  const { now } = state.options
  const isRecent = (at: number | undefined): boolean => at !== undefined && now() - at <= silentAfterMs
  if (socket === undefined || peer.mtuBytes === undefined) return 'unknown'
  if (isRecent(peer.longAt)) return 'answers'
  if (isRecent(peer.since) || (peer.leftAt !== undefined && now() - peer.leftAt < leavingForMs))
    return 'unknown'
  if (isRecent(peer.smallAt)) return 'small-only'
  return isDriverDown(state, peer) ? 'driver-down' : 'silent'
}

/** A driver that still has its session when a dead one's has ended is behind a firewall that refuses all ports. */
function isDriverDown({ options: { now, life } }: State, { name, driver, longAt, since }: Peer): boolean {
  const mayHaveSession = now() - (longAt ?? since) < sessionEndsAfterMs
  return driver.isDown(silentAfterMs) && (mayHaveSession || life(name) !== 'alive')
}

function statusOf(state: State, peer: Peer): TunnelStatus {
  const { name, vtep, rttMs, longAt, since, sendError } = peer
  const found = tunnelState(state, peer)
  const isSilent = found === 'silent' || found === 'small-only' || found === 'driver-down'
  return defined({
    host: name,
    vtep,
    port: state.options.port,
    state: found === 'silent' && state.options.life(name) === 'away' ? 'away' : found,
    probeBytes: probeBytesFor(state, peer),
    rttMs,
    silentS: isSilent ? Math.round((state.options.now() - (longAt ?? since)) / 1000) : undefined,
    sendError,
  })
}

function probedState(state: State, name: HostName): TunnelState | undefined {
  const peer = state.peers.get(name)
  const isProbed = state.socket !== undefined && peer?.mtuBytes !== undefined
  return isProbed ? tunnelState(state, peer) : undefined
}
