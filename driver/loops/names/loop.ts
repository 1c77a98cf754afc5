/**
 * Writes the names of all containers on a network into the hosts files of this host's containers.
 *
 * A change of the store touches the containers of the changed networks, and a host that goes away or comes
 * back touches all. An event of the engine touches the one container whose file libnetwork has just made or
 * edited. The kernel tells of a file that another program has changed, and the loop repairs it. The loop
 * compares each file's size and time every `everyMs`, too. While the store is in doubt the loop adds names
 * and removes none. The names of a network with more endpoints than `hostsFileLimit` are DNS's alone, if
 * containers can ask it, and in the files of containers that do not ask it. A file is written whole, so that
 * a change costs as much as its network is large: the longer the last writing took, the longer the loop
 * collects changes before the next one.
 */

import { type AskedOnce, askedOnce } from '../../core/asked-once.ts'
import { asDriverError } from '../../core/errors.ts'
import type { Link } from '../../core/links.ts'
import type { NameRecord } from '../../core/names.ts'
import type { HostName, Ip, NetworkId, Snapshot } from '../../core/records.ts'
import { endpointsOnHost, networkIdOnHost } from '../../core/snapshot.ts'
import type { ConfiguredContainer, Engine, EngineEvent } from '../../engine/engine.ts'
import type { Log } from '../../log.ts'
import type { ChangedKey, Store } from '../../store/store.ts'
import { changedNetworks } from '../kit/changed-networks.ts'
import { networkNamed } from '../kit/configured-network.ts'
import { createInspections, type Inspections } from '../kit/inspections.ts'
import { type Loop, type LoopRun, startLoop } from '../kit/loop.ts'
import { mayRemove } from '../kit/store-trust.ts'
import type { WatchFile } from '../kit/watch-file.ts'
import type { WorkQueueStatus } from '../kit/work-queue.ts'
import { type ClientLinesOptions, isDnsOnly, linesOfClient } from './client-lines.ts'
import type { ClientNetworks, WayOut } from './client-networks.ts'
import { createHostsFiles, type HostsFileFacts, type HostsFiles } from './hosts-files.ts'
import { tablesOfNames } from './network-lines.ts'

export interface NamesOptions extends ClientLinesOptions {
  store: Pick<Store, 'snapshot' | 'onChange' | 'status'>
  engine: Pick<Engine, 'running' | 'container' | 'containersFolder' | 'configuredContainer'>
  networks: ClientNetworks
  host: HostName
  /** Where containers ask our DNS server. Without the server hosts files have the containers' short ids, too. */
  dnsAddress?: Ip | undefined
  log: Log
  /** `HostsFilesOptions` */
  fileRoot: string
  /** Interval of the comparison of all files. */
  everyMs: number
  /** And while some of them cannot be watched or written, or something else is to be tried again. */
  unwatchedEveryMs: number
  watch?: WatchFile
  onRun?(run: LoopRun): void
}

export interface NamesLoop {
  /** Inspects all containers of this host, and writes their files. */
  poke(): void
  /** Writes the files anew whose names change with the hosts that are away. */
  awayChanged(): void
  onEvent(event: EngineEvent): void
  /** `dnsAnswers` may say something else in a moment. */
  dnsChanged(): void
  /** Of a container's `--link`. */
  linksOf(container: string): readonly Link[]
  status(): WorkQueueStatus & NamesFacts
  /** One sentence each. */
  problems(): string[]
  /** Names of the containers whose hosts file differs from the records. */
  differing(): string[]
  close(): Promise<void>
}

export interface NamesFacts extends HostsFileFacts {
  /** Names of networks that are too large for hosts files. */
  dnsOnly: string[]
}

const unsettledPauseMs = 20
const dnsPauseMs = 100
/** Share of one processor that writing after changes of the store may take. */
const changesShare = 0.2

interface NamesState {
  options: NamesOptions
  files: HostsFiles
  inspections: Inspections
  readonly loop: Loop
  /** Containers whose file the next run writes. */
  due: Set<string>
  /** Containers that become due at `restEndsAt`. */
  resting: Set<string>
  restEndsAt: number
  /** A change of the store before this time, by performance.now(), makes containers rest until then. */
  restUntil: number
  /** Containers of this host by network, at the last run. */
  members: Map<NetworkId, Set<string>>
  /** Containers whose last inspection failed. The next run inspects them. */
  uninspected: Set<string>
  /** The next run inspects all containers. */
  lookAtAll: boolean
  /** Where the engine keeps its containers' files. */
  folder: AskedOnce<string>
  /** `dnsAnswers` at the last audit; undefined: some files may have been written by another answer. */
  dnsAnswered: boolean | undefined
  /** Files may have names that the store does not have. */
  wasInDoubt: boolean
}

export function startNames(options: NamesOptions): NamesLoop {
  const { store, log, everyMs, onRun } = options
  const files = createHostsFiles({ ...options, onChange: (id) => dueAll(state, [id]) })
  const state: NamesState = {
    ...{ options, files },
    inspections: createInspections({
      engine: learningEngine(options, (ids) => restAll(state, ids)),
      inspected(id, container) {
        if (files.learn(container)) dueAll(state, [id])
        else forget(state, id)
      },
      failed(id) {
        state.uninspected.add(id)
        state.loop.pokeAfter(options.unwatchedEveryMs)
      },
    }),
    loop: startLoop({
      name: 'names',
      everyMs,
      log,
      work: () => work(state),
      onTick: () => audit(state),
      onRun,
    }),
    due: new Set(),
    resting: new Set(),
    restEndsAt: Number.NEGATIVE_INFINITY,
    restUntil: Number.NEGATIVE_INFINITY,
    members: new Map(),
    uninspected: new Set(),
    lookAtAll: true,
    folder: askedOnce(() => options.engine.containersFolder()),
    dnsAnswered: options.dnsAnswers(),
    wasInDoubt: false,
  }
  const { loop } = state
  const stop = store.onChange((snapshot, keys) => restAll(state, containersOf(state, snapshot, keys)))
  return {
    poke() {
      state.lookAtAll = true
      state.folder.forget()
      loop.poke()
    },
    awayChanged: () => restAll(state, files.ids()),
    onEvent: (event) => onEvent(state, event),
    dnsChanged() {
      state.dnsAnswered = undefined
      loop.pokeAfter(dnsPauseMs)
    },
    linksOf: files.links,
    status: () => ({ ...loop.status(), ...files.facts(), dnsOnly: dnsOnlyNames(options) }),
    problems: () => dnsProblems(state),
    differing: () => differing(state),
    async close() {
      stop()
      await loop.close()
      files.close()
    },
  }
}

/** The networks learn a container before its hosts file is written. `changed`: other containers' names may differ. */
function learningEngine(
  { engine, networks }: NamesOptions,
  changed: (ids: string[]) => void,
): Pick<Engine, 'container'> {
  return {
    async container(id) {
      const container = await engine.container(id)
      if (container?.running) changed(await networks.learn(container))
      return container
    },
  }
}

async function work(state: NamesState): Promise<void> {
  const { store, unwatchedEveryMs } = state.options
  endRest(state)
  if (!mayRemove(store)) state.wasInDoubt = true
  for (const id of state.uninspected) state.inspections.inspect(id)
  state.uninspected.clear()
  // Known containers can be repaired while the engine is away.
  if (state.due.size > 0) writeDueFiles(state)
  if (state.wasInDoubt || state.files.needLooks()) state.loop.pokeAfter(unwatchedEveryMs)
  if (!state.lookAtAll) return
  const known = state.files.ids()
  const running = new Set(await state.options.engine.running())
  for (const id of known) if (!running.has(id)) forget(state, id)
  state.lookAtAll = false
  // Each on its own: a container that is locked (a long `docker cp`) delays its own file alone.
  for (const id of running) state.inspections.inspect(id)
}

function writeDueFiles(state: NamesState): void {
  const networks = networksByContainer(state.options.store.snapshot(), state.options.host)
  state.members = containersByNetwork(networks)
  // Otherwise an audit that finds the answer of the last audit again would leave these files as they are.
  if (state.options.dnsAnswers() !== state.dnsAnswered) state.dnsAnswered = undefined
  const began = performance.now()
  for (const id of [...state.due]) {
    state.due.delete(id)
    writeDueFile(state, id, networks.get(id) ?? [])
  }
  const ended = performance.now()
  // A look at one file is short, and leaves the rest of a long writing as it is.
  state.restUntil = Math.max(state.restUntil, ended + (ended - began) * (1 / changesShare - 1))
}

function writeDueFile(state: NamesState, id: string, networks: readonly NetworkId[]): void {
  const { files, inspections } = state
  if (!files.knows(id)) {
    if (!inspections.isInspecting(id)) inspections.inspect(id)
    return
  }
  const keepsOthers = !mayRemove(state.options.store)
  const outcome = files.put(id, recordsFor(state, id, networks), keepsOthers)
  if (outcome === 'gone') inspections.inspect(id)
  if (outcome !== 'again') return
  state.due.add(id)
  state.loop.pokeAfter(unsettledPauseMs)
}

function dueAll(state: NamesState, ids: Iterable<string>): void {
  for (const id of ids) state.due.add(id)
  if (state.due.size > 0) state.loop.poke()
}

/** Makes the containers due after `restUntil`. */
function restAll(state: NamesState, ids: readonly string[]): void {
  if (ids.length === 0) return
  if (state.resting.size === 0 || state.restUntil <= performance.now()) state.restEndsAt = state.restUntil
  for (const id of ids) state.resting.add(id)
  endRest(state)
  if (state.resting.size === 0) state.loop.poke()
}

/** Makes the resting containers due if their time has come; otherwise a run follows when it has. */
function endRest({ resting, restEndsAt, due, loop }: NamesState): void {
  if (resting.size === 0) return
  const ms = restEndsAt - performance.now()
  // A timer may be a moment early.
  if (ms > 1) loop.pokeAfter(ms)
  else {
    for (const id of resting) due.add(id)
    resting.clear()
  }
}

/** The container has ended: its names on networks of other drivers hide none of ours any more. */
function forget(state: NamesState, id: string): void {
  state.files.forget(id)
  restAll(state, state.options.networks.forget(id))
}

function audit(state: NamesState): void {
  const now = state.options.dnsAnswers()
  if (now !== state.dnsAnswered) for (const id of state.files.ids()) state.due.add(id)
  state.dnsAnswered = now
  if (state.wasInDoubt && mayRemove(state.options.store)) {
    state.wasInDoubt = false
    state.lookAtAll = true
  }
  for (const id of state.files.changed()) state.due.add(id)
}

function onEvent(state: NamesState, { type, action, id, attributes }: EngineEvent): void {
  const container = type === 'container' ? id : attributes.container
  if (container === undefined) return
  // A start makes the file anew. A rename changes the container's name in the log and in the status.
  if (type === 'container' && /^(start|rename)$/.test(action)) state.files.forget(container)
  if (type === 'container' && /^(die|destroy)$/.test(action)) {
    forget(state, container)
    // Its present inspection may say that it runs.
    if (state.inspections.isInspecting(container)) state.inspections.inspect(container)
  }
  if (/^(start|rename)$/.test(action)) state.inspections.inspect(container)
  if (/^(connect|disconnect)$/.test(action)) {
    dueAll(state, [container])
    // Its present inspection may be from before. An unknown container is inspected when its file is due.
    if (state.files.knows(container) || state.inspections.isInspecting(container)) {
      state.inspections.inspect(container)
    }
    const isOurs = networkIdOnHost(state.options.store.snapshot(), state.options.host, id) !== undefined
    if (action === 'connect' && isOurs && !state.files.knows(container)) void expectFile(state, container)
  }
}

/**
 * Finds the hosts file of a container that the engine is starting: the engine describes such a container only
 * when its first process runs. A container on a network of another driver waits for that description: names
 * there may come before ours.
 */
async function expectFile(state: NamesState, container: string): Promise<void> {
  const { options, files, inspections } = state
  inspections.inspect(container)
  try {
    const asked = options.engine.configuredContainer(container)
    const [folder, found] = await Promise.all([state.folder.get(), asked])
    if (found === undefined || !inspections.isInspecting(container) || files.knows(container)) return
    if (!found.networks.every((at) => isOfCluster(options, at))) return
    files.expect(container, `${folder}/${container}/hosts`)
    dueAll(state, [container])
  } catch (error) {
    options.log.debug({ container, error: asDriverError(error).line }, 'a starting container is unknown')
  }
}

/** Before its first start a container has the names of its networks, and no ids. */
function isOfCluster({ store, host }: NamesOptions, { name, id }: ConfiguredContainer['networks'][number]) {
  const snapshot = store.snapshot()
  const found = id === '' ? networkNamed(snapshot, host, name) : networkIdOnHost(snapshot, host, id)
  return found !== undefined
}

/** Containers of the networks that the change touches: those of now, and those of the last run. */
function containersOf(state: NamesState, snapshot: Snapshot, keys: readonly ChangedKey[]): string[] {
  const touched = changedNetworks(keys, tablesOfNames)
  if (touched.size === 0) return []
  const present = containersByNetwork(networksByContainer(snapshot, state.options.host))
  return [...touched].flatMap((it) => [...(state.members.get(it) ?? []), ...(present.get(it) ?? [])])
}

function recordsFor(
  { options, files }: Pick<NamesState, 'options' | 'files'>,
  container: string,
  networks: readonly NetworkId[],
): readonly NameRecord[] {
  const { dnsAddress } = options
  const isSent = dnsAddress !== undefined && files.asks(container, dnsAddress)
  const asksUs = isSent && options.networks.wayOut(container) === undefined
  const asksEngine = files.asksEngine(container)
  return linesOfClient(options, { container, networks, links: files.links(container), asksUs, asksEngine })
}

function differing(state: NamesState): string[] {
  const networks = networksByContainer(state.options.store.snapshot(), state.options.host)
  return state.files.differing((id) => recordsFor(state, id, networks.get(id) ?? []))
}

/** Of the containers whose questions the engine sends to our DNS by a way that does not lead to it. */
function dnsProblems({ options, files }: NamesState): string[] {
  const { store, host, dnsAddress, networks } = options
  if (dnsAddress === undefined) return []
  const own = endpointsOnHost(store.snapshot(), host).flatMap(({ value }) => value.container ?? [])
  const names = new Map(own.map(({ id, name }) => [id, name]))
  return [...names].flatMap(([id, name]) => {
    const by = files.asks(id, dnsAddress) ? networks.wayOut(id) : undefined
    return by === undefined ? [] : unansweredText(name, by, dnsAddress)
  })
}

function unansweredText(container: string, { network, driver }: WayOut, server: Ip): string {
  return `DNS on ${server} does not answer ${container}, since network ${network} (${driver}) leads out of it: names are in its hosts file alone, and those of the outside take up to 4 s more; make the container again with --dns=ADDRESS of a resolver that ${network} reaches`
}

function dnsOnlyNames(options: NamesOptions): string[] {
  const networks = [...options.store.snapshot().networks.values()]
  const large = networks.filter(({ value }) => isDnsOnly(options, value.id))
  return large.map(({ value }) => value.name ?? value.id).sort()
}

/** Networks of each container of this host. */
function networksByContainer(snapshot: Snapshot, host: HostName): Map<string, NetworkId[]> {
  const networks = new Map<string, NetworkId[]>()
  for (const { value } of endpointsOnHost(snapshot, host)) {
    if (!value.joined || value.container === undefined) continue
    const own = networks.get(value.container.id) ?? []
    if (!own.includes(value.network)) own.push(value.network)
    networks.set(value.container.id, own)
  }
  return networks
}

function containersByNetwork(
  networks: ReadonlyMap<string, readonly NetworkId[]>,
): Map<NetworkId, Set<string>> {
  const containers = new Map<NetworkId, Set<string>>()
  for (const [container, own] of networks) {
    for (const network of own) containers.set(network, (containers.get(network) ?? new Set()).add(container))
  }
  return containers
}
