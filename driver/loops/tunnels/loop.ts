/**
 * Probes the tunnels: on VXLAN's own port always, and on each other port (`-o port=`) while this host shares
 * a network of that port with another one. A prober (prober.ts) per port, since a firewall judges each port
 * for itself.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { HostName, HostRecord, Ip } from '../../core/records.ts'
import { isReached } from '../../core/tunnels/away.ts'
import { probeDevice, textPacket } from '../../core/tunnels/packet.ts'
import { otherPorts, type TunnelState, type TunnelStatus } from '../../core/tunnels/peers.ts'
import type { Store } from '../../store/store.ts'
import { computedFrom } from '../kit/computed-from.ts'
import { createAwayHosts } from './away-hosts.ts'
import { startGratuitousArp } from './gratuitous-arp.ts'
import { createKnownLives } from './known-lives.ts'
import type { PeerEndpoints } from './peer-endpoints/receive.ts'
import { type SendOptions, sendEndpoints } from './peer-endpoints/send.ts'
import { type Prober, type ProberOptions, randomNonce, silentAfterMs, startProber } from './prober.ts'

export interface TunnelsOptions
  extends Pick<ProberOptions, 'host' | 'underlay' | 'openTunnel' | 'onChange' | 'log' | 'everyMs'>,
    Partial<Pick<ProberOptions, 'now'>> {
  store: SendOptions['store'] & Pick<Store, 'liveness'>
  peerEndpoints: Pick<PeerEndpoints, 'receive' | 'on'>
  /** Other hosts are away than before. */
  onAway(): void
}

export interface TunnelsLoop {
  /** What the host's record says. */
  published(): NonNullable<HostRecord['tunnel']>
  status(): TunnelStatus[]
  /**
   * Hosts that share a network with this one, and whose containers cannot be reached; another set after each
   * change.
   */
  away(): ReadonlySet<HostName>
  /**
   * Asks every host of the cluster, also those that this host shares no network with. Resolves when each
   * state is known.
   */
  askAll(): Promise<TunnelStatus[]>
  close(): Promise<void>
}

interface State {
  readonly options: ProberOptions
  /** On VXLAN's own port. */
  readonly usual: Prober
  /** By port. */
  readonly others: Map<number, Prober>
  /** The ports of `others`. */
  readonly ports: () => ReadonlySet<number>
}

export function startTunnels(given: TunnelsOptions): TunnelsLoop {
  const { store, host, underlay, now = () => performance.now() } = given
  const lives = createKnownLives({ store, now })
  const options = { ...given, now, port: probeDevice.port, life: lives.life }
  const state: State = {
    options,
    usual: startProber(options),
    others: new Map(),
    ports: computedFrom(store, ['endpoints', 'hosts', 'networks'], (snapshot) =>
      otherPorts(snapshot, { host, vtep: underlay().address }),
    ),
  }
  updatePorts(state)
  const awayHosts = createAwayHosts({ ...options, probed: (name) => probedState(state, name) })
  const sender = sendEndpoints({
    ...options,
    withPeerEndpoints: options.peerEndpoints.on,
    send: (to, text) => tell(state, to, text),
  })
  const timer = setInterval(() => {
    updatePorts(state)
    for (const prober of probersOf(state)) prober.tick()
    lives.refresh(hasSilent(state) ? 'quick' : awayHosts.needsStore())
    awayHosts.look()
    sender.tick()
  }, options.everyMs)
  const stop = startGratuitousArp({
    ...options,
    vtep: () => underlay().address,
    socket: state.usual.socket,
  })
  return {
    published: () => published(state),
    status: () => statusesOf(state),
    away: awayHosts.set,
    askAll: () => askAll(state),
    async close() {
      clearInterval(timer)
      stop()
      sender.stop()
      await Promise.all(probersOf(state).map((it) => it.close()))
    },
  }
}

function probersOf({ usual, others }: State): Prober[] {
  return [usual, ...others.values()]
}

function statusesOf(state: State): TunnelStatus[] {
  return probersOf(state).flatMap((it) => it.statuses())
}

const silent: ReadonlySet<TunnelState> = new Set(['silent', 'away', 'driver-down'])

function hasSilent(state: State): boolean {
  return statusesOf(state).some(({ state: it }) => silent.has(it))
}

/** Undefined for a host that is not probed. One port that is let through is a way to the host. */
function probedState(state: State, name: HostName): TunnelState | undefined {
  const found = probersOf(state).flatMap((it) => it.probed(name) ?? [])
  return found.find(isReached) ?? found.find((it) => it === 'unknown' || it === 'driver-down') ?? found[0]
}

/** While a socket is being opened the record stays as it is: a restart of the driver changes nothing in it. */
function published({ options, usual, others }: State): NonNullable<HostRecord['tunnel']> {
  const said = options.store.snapshot().hosts.get(options.host)?.value.tunnel
  const answers = ({ socket, isOpening }: Prober, wasSaid = false): boolean =>
    socket() !== undefined || (isOpening() && wasSaid)
  const open = [...others].flatMap(([port, it]) => (answers(it, said?.ports?.includes(port)) ? [port] : []))
  return {
    mtuBytes: options.underlay().mtuBytes,
    answers: answers(usual, said?.answers),
    ...(open.length > 0 && { ports: open.sort((a, b) => a - b) }),
  }
}

function updatePorts({ options, others, ports }: State): void {
  const wanted = ports()
  for (const [port, prober] of others) {
    if (wanted.has(port)) continue
    others.delete(port)
    void prober.close().then(options.onChange)
  }
  for (const port of wanted) if (!others.has(port)) others.set(port, startProber({ ...options, port }))
}

/** A host that answers is known after one question. Another one is silent, or its driver answers no probes. */
async function askAll(state: State): Promise<TunnelStatus[]> {
  const { options, usual } = state
  const { now, everyMs } = options
  const end = now() + silentAfterMs + 2 * everyMs
  usual.askAllUntil(end)
  do {
    await delay(everyMs)
  } while (now() < end && !usual.allAnswer())
  return statusesOf(state)
}

/** Nothing acknowledges it, and it is repeated. */
function tell({ options, usual }: State, to: Ip, text: string): void {
  const from = options.underlay().address
  void usual.socket()?.send(textPacket({ kind: 'endpoints', from, nonce: randomNonce(), text }), to)
}
