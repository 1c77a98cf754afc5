/**
 * Makes the hosts files of this host's containers name everybody on their networks.
 *
 * A change of the store touches the containers of the changed networks; the engine's events touch the one container
 * whose file libnetwork has just made or edited; and every file is compared by its size and time now and then, so
 * that what somebody else did to it is mended. Until the store has been fresh once nothing is written. A network with
 * more endpoints than a hosts file should hold is left to DNS, where DNS can be asked. A file is written whole, so
 * that a change costs the network: what takes long is done less often, and many changes share it.
 */

import { namedEndpoints } from '../../core/names.ts'
import type { HostName, NetworkId, Snapshot } from '../../core/records.ts'
import { endpointsOnHost, networkById } from '../../core/snapshot.ts'
import type { Engine, EngineEvent } from '../../engine/engine.ts'
import type { Log } from '../../log.ts'
import type { Store } from '../../store/store.ts'
import { createInspections } from '../kit/inspections.ts'
import { type LoopRun, startLoop } from '../kit/loop.ts'
import { mayRemove } from '../kit/store-trust.ts'
import type { WorkQueueStatus } from '../kit/work-queue.ts'
import { createHostsFiles, type HostsFileFacts } from './hosts-files.ts'
import { type NameRecords, networksOf } from './records.ts'

export interface NamesOptions {
  store: Pick<Store, 'snapshot' | 'onChange' | 'status'>
  engine: Pick<Engine, 'containers' | 'container'>
  records: Pick<NameRecords, 'of'>
  host: HostName
  /** Named endpoints of a network, above which its names are DNS's alone. */
  hostsFileLimit: number
  /** Whether containers can ask our DNS. */
  dnsAnswers(): boolean
  log: Log
  /** Each file is compared this often. */
  everyMs?: number
  onRun?(run: LoopRun): void
}

export interface NamesLoop {
  /** Looks at every container of this host. */
  poke(): void
  onEvent(event: EngineEvent): void
  status(): WorkQueueStatus & NamesFacts
  /** Containers whose hosts file does not say what it should, by name. */
  differing(): string[]
  close(): Promise<void>
}

export interface NamesFacts extends HostsFileFacts {
  /** Names of networks that are too large for hosts files. */
  dnsOnly: string[]
}

const unsettledPauseMs = 20
/** Share of one processor that changes of the store may take. */
const changesShare = 0.2

export function startNames(options: NamesOptions): NamesLoop {
  const { store, engine, records, host, log, everyMs = 2000, onRun } = options
  const files = createHostsFiles(log)
  const due = new Set<string>()
  /** Due when the store's changes have rested. */
  const resting = new Set<string>()
  /** Containers of this host by network, as they were with the last run. */
  let members = new Map<NetworkId, Set<string>>()
  let lookAtAll = true
  let again: NodeJS.Timeout | undefined
  let rest: NodeJS.Timeout | undefined
  let restUntil = Number.NEGATIVE_INFINITY
  let dnsAnswered = options.dnsAnswers()

  const mayWrite = () => mayRemove(store)
  const isDnsOnly = (network: NetworkId): boolean => {
    const known = networkById(store.snapshot(), network)?.value
    // from an internal network no resolver can be asked
    if (known === undefined || known.internal || !options.dnsAnswers()) return false
    return namedEndpoints(store.snapshot(), network) > options.hostsFileLimit
  }
  const recordsFor = (networks: readonly NetworkId[]) =>
    networks.filter((network) => !isDnsOnly(network)).flatMap(records.of)
  const learnt = createInspections({
    engine,
    inspected: (id, container) => void (files.learn(container) && dueAll([id])),
    // it stays due, and is asked about again with the next audit
    failed: (id) => void due.add(id),
  })
  const mendAll = (): void => {
    const networks = networksByContainer(store.snapshot(), host)
    members = turned(networks)
    const began = performance.now()
    for (const id of [...due]) {
      due.delete(id)
      mend(id, networks.get(id) ?? [])
    }
    const ended = performance.now()
    restUntil = ended + (ended - began) * (1 / changesShare - 1)
  }
  const mend = (id: string, networks: readonly NetworkId[]): void => {
    if (!files.knows(id)) {
      if (!learnt.isInspecting(id)) learnt.inspect(id)
      return
    }
    if (files.put(id, recordsFor(networks)) === 'done') return
    due.add(id)
    again ??= setTimeout(() => {
      again = undefined
      loop.poke()
    }, unsettledPauseMs)
  }
  const dueAll = (ids: Iterable<string>): void => {
    for (const id of ids) due.add(id)
    if (due.size > 0) loop.poke()
  }
  /** After a rest that is as long as the last writing was expensive. */
  const restAll = (ids: Iterable<string>): void => {
    for (const id of ids) resting.add(id)
    const end = (): void => {
      clearTimeout(rest)
      rest = undefined
      const rested = [...resting]
      resting.clear()
      dueAll(rested)
    }
    const ms = restUntil - performance.now()
    if (ms <= 0) end()
    else rest ??= setTimeout(end, ms)
  }
  const audit = (): void => {
    const now = options.dnsAnswers()
    if (now !== dnsAnswered) lookAtAll = true
    dnsAnswered = now
    if (lookAtAll) loop.poke()
    dueAll(files.changed())
  }
  const work = async (): Promise<void> => {
    if (!mayWrite()) return
    // what is known can be mended while the engine is away
    mendAll()
    if (!lookAtAll) return
    for (const id of files.learnAll(await engine.containers())) due.add(id)
    lookAtAll = false
    mendAll()
  }

  const loop = startLoop({ name: 'names', everyMs: 10 * everyMs, log, work, onRun })
  const stop = store.onChange((snapshot, keys) => {
    const touched = networksOf(keys)
    if (touched.size === 0) return
    const present = turned(networksByContainer(snapshot, host))
    restAll([...touched].flatMap((it) => [...(members.get(it) ?? []), ...(present.get(it) ?? [])]))
  })
  const auditing = setInterval(audit, everyMs)
  return {
    poke() {
      lookAtAll = true
      loop.poke()
    },
    onEvent({ type, action, id, attributes }) {
      const container = type === 'container' ? id : attributes.container
      if (container === undefined) return
      // a start makes the file anew, a rename changes what we call it
      if (type === 'container' && /^(die|destroy|start|rename)$/.test(action)) files.forget(container)
      if (/^(start|rename)$/.test(action)) learnt.inspect(container)
      if (/^(connect|disconnect)$/.test(action)) dueAll([container])
    },
    status: () => ({
      ...loop.status(),
      ...files.facts(),
      dnsOnly: dnsOnlyNames(store.snapshot(), isDnsOnly),
    }),
    differing() {
      const networks = networksByContainer(store.snapshot(), host)
      return files.differing((id) => recordsFor(networks.get(id) ?? []))
    },
    async close() {
      stop()
      clearInterval(auditing)
      clearTimeout(again)
      clearTimeout(rest)
      await loop.close()
    },
  }
}

function dnsOnlyNames(snapshot: Snapshot, isDnsOnly: (network: NetworkId) => boolean): string[] {
  const large = [...snapshot.networks.values()].filter(({ value }) => isDnsOnly(value.id))
  return large.map(({ value }) => value.name ?? value.id).sort()
}

/** Networks of each container of this host, ordered by their names, so that a file always reads the same. */
function networksByContainer(snapshot: Snapshot, host: HostName): Map<string, NetworkId[]> {
  const nameOf = (id: NetworkId): string => networkById(snapshot, id)?.value.name ?? id
  const networks = new Map<string, NetworkId[]>()
  for (const { value } of endpointsOnHost(snapshot, host)) {
    if (!value.joined || value.container === undefined) continue
    const own = networks.get(value.container.id) ?? []
    if (!own.includes(value.network)) own.push(value.network)
    networks.set(value.container.id, own)
  }
  for (const own of networks.values()) own.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
  return networks
}

function turned(networks: ReadonlyMap<string, readonly NetworkId[]>): Map<NetworkId, Set<string>> {
  const containers = new Map<NetworkId, Set<string>>()
  for (const [container, own] of networks) {
    for (const network of own) containers.set(network, (containers.get(network) ?? new Set()).add(container))
  }
  return containers
}
