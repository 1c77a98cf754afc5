/**
 * Starts the parts that answer for names on this host: hosts files of all containers, and the DNS server if it was given an
 * address.
 */
import type { NamingStatus } from '../control/status.ts'
import type { HostName, Ip } from '../core/records.ts'
import { createResponder } from '../dns/answer.ts'
import { createForwarder } from '../dns/forward.ts'
import { machineResolvers } from '../dns/resolvers.ts'
import { type DnsServer, startDnsServer } from '../dns/server.ts'
import type { Engine, EngineEvent } from '../engine/engine.ts'
import type { Log } from '../log.ts'
import type { LoopRun } from '../loops/kit/loop.ts'
import type { WorkQueueStatus } from '../loops/kit/work-queue.ts'
import { createDnsClients, type DnsClients } from '../loops/names/dns-clients.ts'
import { startNames } from '../loops/names/loop.ts'
import { keepNameRecords } from '../loops/names/records.ts'
import type { Store } from '../store/store.ts'

export interface NamingOptions {
  store: Store
  engine: Engine
  host: HostName
  /** Named endpoints of a network, above which its names are DNS's alone. */
  hostsFileLimit: number
  /** Address of the DNS server. Without one there is no DNS server. */
  dnsListen?: DnsAddress | undefined
  resolvConf?: string
  log: Log
  everyMs?: number
  onRun(run: LoopRun): void
}

export interface DnsAddress {
  address: Ip
  port: number
}

export interface Naming {
  poke(): void
  onEvent(event: EngineEvent): void
  createWorkQueue(): WorkQueueStatus
  status(): NamingStatus
  /** Names of the containers whose hosts file differs from the records. */
  differing(): string[]
  close(): Promise<void>
}

export function startNaming(options: NamingOptions): Naming {
  const { store, engine, host, hostsFileLimit, log, everyMs = 2000, onRun } = options
  const records = keepNameRecords(store)
  const { server, clients } = startDns(options)
  const names = startNames({
    store,
    engine,
    records,
    host,
    hostsFileLimit,
    log,
    everyMs,
    onRun,
    hasDns: server !== undefined,
    dnsAnswers: () => server !== undefined && server.status().lastError === undefined,
  })
  return {
    poke() {
      clients?.forget()
      names.poke()
    },
    onEvent(event) {
      if (/^(start|die|connect|disconnect)$/.test(event.action)) clients?.forget()
      names.onEvent(event)
    },
    differing: names.differing,
    createWorkQueue() {
      const { state, lastError } = names.status()
      return { state, lastError }
    },
    status() {
      const { files, writes, skipped, dnsOnly } = names.status()
      const facts = { files, writes, skipped, dnsOnly, hostsFileLimit }
      return server === undefined ? facts : { ...facts, dns: server.status() }
    },
    async close() {
      await Promise.all([names.close(), server?.close()])
      records.close()
    },
  }
}

function startDns({ store, engine, host, dnsListen, resolvConf = '/etc/resolv.conf', log }: NamingOptions): {
  server?: DnsServer
  clients?: DnsClients
} {
  if (dnsListen === undefined) return {}
  const { address, port } = dnsListen
  const clients = createDnsClients({ store, engine, host, listens: address })
  const forwarder = createForwarder({ resolvers: machineResolvers(resolvConf, address) })
  const responder = createResponder({ viewOf: clients.viewOf, forwarder })
  return { server: startDnsServer({ address, port, responder, log }), clients }
}
