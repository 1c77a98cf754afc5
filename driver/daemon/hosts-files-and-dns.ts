/**
 * Starts the parts that answer for names on this host: hosts files of all containers, and the DNS server if
 * it was given an address.
 */
import type { NamingStatus } from '../control/status.ts'
import { type Arrivals, afterLook, areLost, noArrivals } from '../core/arrivals.ts'
import type { HostName, Ip } from '../core/records.ts'
import { createResponder } from '../dns/answer.ts'
import { createForwarder } from '../dns/forward.ts'
import { machineResolvers } from '../dns/resolvers.ts'
import { type DnsServer, startDnsServer } from '../dns/server.ts'
import type { Engine, EngineEvent } from '../engine/engine.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { isOwn } from '../kernel/redirect.ts'
import type { Log } from '../log.ts'
import { type Loop, type LoopRun, startLoop } from '../loops/kit/loop.ts'
import type { WorkQueueStatus } from '../loops/kit/work-queue.ts'
import { type ClientNetworks, createClientNetworks } from '../loops/names/client-networks.ts'
import { createDnsClients, type DnsClients, type DnsClientsOptions } from '../loops/names/dns-clients.ts'
import { startNames } from '../loops/names/loop.ts'
import { keepNameRecords } from '../loops/names/network-lines.ts'
import type { Store } from '../store/store.ts'
import type { DnsAddress, NamesOptions } from './dependencies.ts'
import type { Intervals } from './intervals.ts'

export interface NamingOptions {
  store: Store
  engine: Engine
  host: HostName
  /** Hosts that cannot be reached; another set after each change. */
  away(): ReadonlySet<HostName>
  names: NamesOptions
  kernel: Pick<Kernel, 'redirect'>
  /** This host's underlay address. Other machines share its link. */
  underlay(): Ip
  log: Log
  everyMs: Pick<Intervals['everyMs'], 'hostsFiles' | 'unwatchedHostsFiles' | 'dnsAddress'>
  onRun(run: LoopRun): void
}

export interface Naming {
  poke(): void
  /** The kernel's rules are other ones. */
  pokeRedirect(): void
  /** The DNS server's own address may be gone. */
  hostLinksChanged(): void
  /** Other hosts are away than before. */
  awayChanged(): void
  onEvent(event: EngineEvent): void
  workQueueStatus(): WorkQueueStatus
  status(): NamingStatus
  /** One sentence each. */
  problems(): string[]
  /** Names of the containers whose hosts file differs from the records. */
  differing(): string[]
  close(): Promise<void>
}

export function startNaming(options: NamingOptions): Naming {
  const { store, engine, host, log, everyMs, onRun } = options
  const { dnsListen, hostsFileLimit, fileRoot } = options.names
  const records = keepNameRecords(store, options.away)
  const networks = createClientNetworks({ store, engine, host })
  const { server, clients, redirect } = startDns(options, {
    networks,
    changed: () => names.dnsChanged(),
    linksOf: (container) => names.linksOf(container),
  })
  const dnsError = () => redirect?.status().lastError ?? server?.status().lastError
  const names = startNames({
    store,
    engine,
    records,
    networks,
    host,
    hostsFileLimit,
    log,
    fileRoot,
    everyMs: everyMs.hostsFiles,
    unwatchedEveryMs: everyMs.unwatchedHostsFiles,
    onRun,
    dnsAddress: dnsListen?.address,
    dnsAnswers: () => server !== undefined && dnsError() === undefined,
  })
  return {
    poke() {
      clients?.forget()
      names.poke()
    },
    pokeRedirect: () => redirect?.poke(),
    hostLinksChanged() {
      if (redirect !== undefined && isOwn(redirect.ownAddress) === false) redirect.poke()
    },
    awayChanged: names.awayChanged,
    onEvent(event) {
      if (/^(start|die|connect|disconnect)$/.test(event.action)) clients?.forget(...subjectOf(event))
      names.onEvent(event)
    },
    differing: names.differing,
    problems: names.problems,
    workQueueStatus() {
      const { state, lastError } = names.status()
      return { state, lastError }
    },
    status() {
      const { files, writes, skipped, dnsOnly } = names.status()
      const facts = { files, writes, skipped, dnsOnly, hostsFileLimit }
      if (server === undefined) return facts
      const { address } = redirect ?? server.status()
      const blockedAt = redirect?.blockedAt()
      return { ...facts, dns: { ...server.status(), address, blockedAt, lastError: dnsError() } }
    },
    async close() {
      await Promise.all([names.close(), server?.close(), redirect?.close()])
      records.close()
    },
  }
}

interface Dns {
  server?: DnsServer
  clients?: DnsClients
  /** Keeps the driver's own address, and the way to its port. */
  redirect?: RedirectLoop
}

interface RedirectLoop extends Loop {
  ownAddress: Ip
  /** Where clients ask. */
  address: string
  /** Where the driver listens, when questions do not arrive there. */
  blockedAt(): string | undefined
}

interface DnsContext {
  networks: ClientNetworks
  /** Containers may get answers now, or none any more. */
  changed(): void
  linksOf: DnsClientsOptions['linksOf']
}

function startDns(options: NamingOptions, { networks, changed, linksOf }: DnsContext): Dns {
  const { store, engine, host, away, underlay, log } = options
  const { dnsListen } = options.names
  if (dnsListen === undefined) return {}
  const { address, port, ownPort = port } = dnsListen
  const clients = createDnsClients({
    ...{ store, engine, host, networks, away, linksOf },
    shared: () => [address, underlay()],
  })
  const forwarder = createForwarder({ resolvers: machineResolvers('/etc/resolv.conf', address) })
  const responder = createResponder({ viewOf: clients.viewOf, forwarder })
  const server = startDnsServer({ address, port: ownPort, responder, log, onChange: changed })
  if (dnsListen.ownPort === undefined) return { clients, server }
  const redirect = keepRedirect(options, dnsListen, server.status, changed)
  return { clients, server, redirect }
}

/** A firewall that is loaded anew takes the rules away: the kernel tells, and they are looked at now and then. */
function keepRedirect(
  { kernel, log, everyMs, ...options }: NamingOptions,
  { address, port, ownPort = port }: DnsAddress,
  server: () => { read: number; lastError: string | undefined },
  changed: () => void,
): RedirectLoop {
  let arrivals: Arrivals = noArrivals
  let wasOk: boolean | undefined
  const onRun = (run: LoopRun): void => {
    if (run.ok !== wasOk) changed()
    wasOk = run.ok
    options.onRun(run)
  }
  const work = async (): Promise<void> => {
    const counted = await kernel.redirect({ address, port, to: ownPort })
    const { read, lastError } = server()
    // Without a server that listens no question is read.
    const redirected = lastError === undefined ? counted : undefined
    arrivals = afterLook(arrivals, { redirected, read })
  }
  const loop = startLoop({ name: 'dns address', everyMs: everyMs.dnsAddress, log, work, onRun })
  const blockedAt = () => (areLost(arrivals) ? `${address}:${ownPort}` : undefined)
  return { ...loop, ownAddress: address, address: `${address}:${port}`, blockedAt }
}

function subjectOf({
  type,
  id,
  attributes,
}: EngineEvent): [container?: string | undefined, network?: string] {
  return type === 'container' ? [id] : [attributes.container, id]
}
