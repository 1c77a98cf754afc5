/**
 * Removes this host's part of the cluster: from Docker, the kernel, the store, and its own folders. Every
 * function can be called twice, and works on what another call or another program has left.
 */
import { rm, rmdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ask } from '../control/client.ts'
import { DriverError, isCode } from '../core/errors.ts'
import { type Proof, personSays } from '../core/knowledge.ts'
import type { HostIdentity } from '../daemon/host-identity.ts'
import type { DaemonOptions } from '../daemon/options.ts'
import { refusing } from '../daemon/waiting.ts'
import { engineClient } from '../engine/client.ts'
import { dockerEngine } from '../engine/docker.ts'
import { dockerCommands } from '../engine/docker-commands.ts'
import { isIdOf } from '../engine/docker-ids.ts'
import { realKernel } from '../kernel/real.ts'
import { isOwn } from '../kernel/redirect.ts'
import { silentLog } from '../log.ts'
import { createHostsFiles } from '../loops/names/hosts-files.ts'
import { pluginApp } from '../protocol/app.ts'
import { listenOn } from '../protocol/socket.ts'
import { aliveKey } from '../store/consul/alive.ts'
import { type ClientOptions, createClient } from '../store/consul/client.ts'
import { openConsulStore } from '../store/consul/store.ts'
import { clusterKey } from '../store/incarnation.ts'
import { openOwnSessions } from '../store/own-sessions.ts'
import type { LastAnnouncement } from '../store/store.ts'
import { evict } from '../verbs/evict-host.ts'
import { asked, failureIn, foundIn } from './facts.ts'
import { clientOptions, holderIn } from './gather-store.ts'

/** A container that is configured for a network of the cluster, running or stopped. */
export interface Attached {
  container: string
  network: string
  /** What Docker calls the network at this container, where that is not its name: a start of its id. */
  writtenAs?: string
}

export interface FromDocker {
  disconnected: readonly Attached[]
  /** What Docker refused, a sentence each. */
  refused: string[]
}

const proof = (): Proof => personSays('this host leaves the cluster')

export async function attachedContainers({
  dockerSocket,
}: Pick<DaemonOptions, 'dockerSocket'>): Promise<Attached[]> {
  const client = engineClient(dockerSocket)
  try {
    const engine = dockerEngine(client)
    const ours = await engine.networks()
    // A container that never ran has its network as a person wrote it.
    const named = (at: { id: string; name: string }): string | undefined =>
      (
        ours.find(({ name }) => name === at.name) ??
        ours.find(({ id }) => id === at.id || isIdOf(id, at.name))
      )?.name
    return (await engine.configuredContainers()).flatMap(({ name, networks }) =>
      networks.flatMap((at): Attached[] => {
        const network = named(at)
        if (network === undefined) return []
        return [{ container: name, network, ...(at.name !== network && { writtenAs: at.name }) }]
      }),
    )
  } finally {
    client.close()
  }
}

/** Docker has networks of the driver, and no driver answers it: a leave has left them behind. */
export async function hasLeftovers({
  dockerSocket,
  controlSocket,
}: Pick<DaemonOptions, 'dockerSocket' | 'controlSocket'>): Promise<boolean> {
  const client = engineClient(dockerSocket)
  try {
    const networks = foundIn(await asked(dockerEngine(client).networks)) ?? []
    return networks.length > 0 && 'failed' in (await asked(() => ask(controlSocket, 'GET', '/status')))
  } finally {
    client.close()
  }
}

/**
 * Disconnects the containers and removes the networks of this host's Docker. The driver is stopped: in its
 * place Docker gets the answer that all is removed, and the networks of the cluster stay. A refusal of Docker
 * ends nothing.
 */
export async function removeFromDocker(
  { dockerSocket, socket }: Pick<DaemonOptions, 'dockerSocket' | 'socket'>,
  attached: readonly Attached[],
): Promise<FromDocker> {
  const client = engineClient(dockerSocket)
  const engine = dockerEngine(client)
  const commands = dockerCommands(client)
  const reason = new DriverError('unavailable', 'this host leaves the cluster')
  const verbs = { ...refusing(reason), deleteNetwork: async () => undefined }
  const plugin = await listenOn(socket, pluginApp({ verbs }))
  try {
    const refused: string[] = []
    const disconnected: Attached[] = []
    for (const it of attached) {
      const failure = failureIn(await asked(() => commands.disconnect(it.network, it.container)))
      if (failure === undefined) disconnected.push(it)
      else refused.push(`${staysOn(it, failure)} (${failure})`)
    }
    for (const { id, name } of await engine.networks()) {
      const failure = failureIn(await asked(() => engine.removeNetwork(id, proof())))
      if (failure !== undefined) refused.push(`network ${name} stays in Docker (${failure})`)
    }
    await cleanHostsFiles(engine)
    return { disconnected, refused }
  } finally {
    await plugin.close()
    client.close()
  }
}

/**
 * Docker looks for the network's name at a container that does not run (moby's daemon.DisconnectFromNetwork,
 * 20.10 to 29). Its answer then has no status of its own: the text alone tells it from other failures.
 */
const notConnected = /\bis not connected to the network\b/

function staysOn({ container, network, writtenAs }: Attached, failure: string): string {
  if (writtenAs === undefined || !notConnected.test(failure))
    return `container ${container} stays on network ${network}`
  return `container ${container} was made for network ${network} as '${writtenAs}' and has never started, so that Docker cannot disconnect it: remove it, and make it anew where it is needed`
}

async function cleanHostsFiles(
  engine: Pick<ReturnType<typeof dockerEngine>, 'running' | 'container'>,
): Promise<void> {
  const files = createHostsFiles({ log: silentLog, fileRoot: '', onChange: () => undefined })
  for (const id of await engine.running())
    if (files.learn(await engine.container(id))) files.put(id, [], false)
}

/** Links, namespaces, the filter of tunnel packets, and the driver's own address. */
export async function removeFromKernel({
  namespaceFolder,
  dnsListen,
}: Pick<DaemonOptions, 'namespaceFolder' | 'dnsListen'>): Promise<void> {
  const kernel = realKernel({ folder: namespaceFolder })
  try {
    for (const namespace of await kernel.namespaces())
      await kernel.apply([{ op: 'namespace-del', namespace, proof: proof() }])
    const ends = await kernel.strayLinks()
    await kernel.apply(ends.map((port) => ({ op: 'child-del', namespace: 'host', port, proof: proof() })))
    await kernel
      .tunnelFilter(() => undefined)
      .catch((error: unknown) => {
        // Where nft is not installed, the driver has made no filter.
        if (!/not found|ENOENT/.test(String((error as Error).message))) throw error
      })
    const { address, port, ownPort } = dnsListen ?? {}
    if (address !== undefined && port !== undefined && ownPort !== undefined)
      await kernel.removeRedirect({ address, port, to: ownPort })
  } finally {
    await kernel.close()
  }
}

/** The records under this host's name. What else hosts share stays. Throws `unavailable`. */
export async function removeFromStore(
  { kvStore, tokenFile, tls, stateDir }: Pick<DaemonOptions, 'kvStore' | 'tokenFile' | 'tls' | 'stateDir'>,
  { id, name }: HostIdentity,
): Promise<void> {
  const options = clientOptions({ kvStore, tokenFile, tls })
  const { prefix } = options.address
  const client = createClient(options)
  const alive = aliveKey(prefix, name)
  try {
    // Nothing is made in an empty store.
    if ((await client.list(`${prefix}/${clusterKey}`, { consistent: true })).items.length === 0) return
    const { items } = await client.list(alive, { consistent: true })
    const holder = holderIn(items, alive, await openOwnSessions(stateDir, silentLog))
    // Another host has taken the name: the records are that host's.
    if (holder?.id !== undefined && holder.id !== id) return
    const elsewhere = holder && heldElsewhere(name, holder)
    if (elsewhere !== undefined) throw new DriverError('taken', elsewhere)
    // A driver that was killed has left its session.
    if (holder?.session !== undefined) await client.destroySession(holder.session)
    await evictSelf(options, name, kvStore)
    await client.transact([{ Verb: 'delete', Key: alive }])
  } finally {
    client.close()
  }
}

/**
 * Why the records of this host's id may be another machine's. The key was written on a machine with an
 * address that this one does not have: this one has lost it, or one disk is a copy of the other. With a
 * session, which a driver that still runs with its lost address has too, nothing tells the two apart. A key
 * that cannot be read tells nothing.
 */
export function heldElsewhere(
  name: string,
  { id, vtep, session, isOwnSession }: LastAnnouncement,
  isHere: typeof isOwn = isOwn,
): string | undefined {
  if (id === undefined)
    return `the key alive/${name} cannot be read, and the name may be of another host: delete the key if it is not`
  const here = vtep === undefined || isHere(vtep)
  if (here === true && isOwnSession !== false) return undefined
  if (here === true)
    return `the name ${name} is held by a live driver with this host's id and address ${vtep ?? ''}, which this machine has not started: one disk is a copy of the other; if not, repeat it in half a minute`
  const holder =
    session === undefined ? `the name ${name}` : `the name ${name} is held by a live driver, which`
  if (here === undefined)
    return `${holder} has the address ${vtep}, and the system does not say whether this host has it: repeat it`
  const lost = "if it is this host's old one, set --bind-interface, 'systemctl restart multihost', and repeat"
  const copied = session === undefined ? '' : '; if not, one disk is a copy of the other'
  return `${holder} has the address ${vtep}, which this host does not have: ${lost}${copied}`
}

async function evictSelf({ tokenFile, tls }: ClientOptions, host: string, url: string): Promise<void> {
  const store = await openConsulStore({ url, host, tls, tokenFile })
  try {
    await evict(store, host)
  } catch (error) {
    if (!isCode(error, 'not-found')) throw error
  } finally {
    await store.close()
  }
}

const stateFiles = ['snapshot.json', 'journal.json', 'journal.json.unreadable', 'sessions.json', 'host.json']

/**
 * The driver's files, and its folders where nothing else is in them. The name goes last: a leave that is
 * repeated needs it.
 */
export async function removeState({ stateDir }: Pick<DaemonOptions, 'stateDir'>): Promise<void> {
  await removeFiles(stateDir, stateFiles)
}

export async function removeRunFiles({ controlSocket }: Pick<DaemonOptions, 'controlSocket'>): Promise<void> {
  await removeFiles(dirname(controlSocket), [basename(controlSocket), 'default-network'])
}

async function removeFiles(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await rm(join(folder, `${name}.new`), { force: true })
    await rm(join(folder, name), { force: true })
  }
  // A folder with other files, a mount point and a link stay.
  if (basename(folder) === 'multihost') await rmdir(folder).catch(() => 'it stays')
}
