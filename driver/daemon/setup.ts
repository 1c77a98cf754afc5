/**
 * What the daemon needs of its machine before it takes part: a name, the underlay, and the store's client.
 *
 * Called again until it succeeds: an interface, an address or a name of the store may come later than the
 * driver.
 */
import { hostname } from 'node:os'
import { DriverError, isCode } from '../core/errors.ts'
import type { HostName, Ip } from '../core/records.ts'
import { isIdle } from '../core/reserve.ts'
import { endpointsOnHost, leasesOnHost, replicasOn } from '../core/snapshot.ts'
import type { Underlay } from '../kernel/kernel.ts'
import { isOwn } from '../kernel/redirect.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'
import { evict } from '../verbs/evict-host.ts'
import type { Setup } from './dependencies.ts'
import { type HostIdentity, newIdentity, readIdentity, writeIdentity } from './host-identity.ts'
import { isHostName } from './options.ts'
import type { FindUnderlay, Looks } from './underlay.ts'

export interface SetupOptions {
  stateDir: string
  /** `--host-name` */
  hostName?: string | undefined
  findUnderlay: FindUnderlay
  openStore(host: HostName): Promise<Store>
  log: Log
  /** For tests, instead of the machine's. */
  hostname?: () => string
  /** Whether this machine has the address; undefined where the system does not say. */
  isHere?: (address: Ip) => boolean | undefined
}

export interface Preparation {
  prepare(): Promise<Setup>
  /** Closes the store. */
  close(): Promise<void>
}

export function createPreparation(options: SetupOptions): Preparation {
  const { stateDir, hostName, log, hostname: machineName = hostname } = options
  /** Until it can be written: one id for all attempts. */
  let fresh: HostIdentity | undefined
  let open: Opened | undefined
  const looks: Looks = {}
  const storeOf = async (host: HostName): Promise<Opened> => {
    if (open !== undefined && open.host !== host) await close()
    open ??= await openFor(host, options)
    return open
  }
  const close = async (): Promise<void> => {
    const closing = open?.store.close()
    open = undefined
    await closing
  }
  const identityOf = async (kept: HostIdentity | undefined): Promise<HostIdentity> => {
    if (kept === undefined) {
      const name = hostName ?? checked(machineName())
      if (fresh?.name !== name) fresh = newIdentity(name)
      return fresh
    }
    if (hostName === undefined || hostName === kept.name) return kept
    const { store } = await storeOf(kept.name)
    await removeOldName(store, kept, hostName, options)
    const renamed = { ...kept, name: hostName }
    await writeIdentity(stateDir, renamed)
    log.warn({ was: kept.name, is: hostName }, 'this host has another name in the cluster, by --host-name')
    return renamed
  }
  return {
    async prepare() {
      // Without the underlay nothing is opened.
      const found = await options.findUnderlay()
      const kept = await readIdentity(stateDir)
      const identity = await identityOf(kept)
      const { id, name: host } = identity
      const opened = await storeOf(host)
      const before = opened.store.snapshot().hosts.get(host)?.value.vtep
      const again = (address: Ip) => options.findUnderlay({ address }, looks)
      const underlay = await sameAs(before, found, kept !== undefined, again)
      const differs = hostName === undefined && machineName() !== host
      if (differs)
        log.info(
          { hostname: machineName(), name: host },
          'the hostname has changed; the name in the cluster is kept',
        )
      return {
        id,
        hostname: differs ? machineName() : undefined,
        underlay,
        ...opened,
        async claimed() {
          if (kept === undefined) await writeIdentity(stateDir, identity)
        },
      }
    },
    close,
  }
}

/**
 * The VTEP of the host's record stays. A machine that has never taken part may have another one's name, and
 * does not wait for its address.
 */
async function sameAs(
  before: Ip | undefined,
  found: Underlay,
  isMember: boolean,
  findAgain: (before: Ip) => Promise<Underlay>,
): Promise<Underlay> {
  if (before === undefined || before === found.address) return found
  const again = findAgain(before)
  return isMember ? again : again.catch(() => found)
}

interface Opened extends Pick<Setup, 'host' | 'store' | 'replicas'> {}

async function openFor(host: HostName, { openStore }: SetupOptions): Promise<Opened> {
  const store = await openStore(host)
  return { host, store, replicas: replicasOn(store.snapshot(), host) }
}

/**
 * Removes what is left under the earlier name, unless another host has taken that name since, or the name
 * was claimed with an address that this machine does not have: one disk may be a copy of the other. Throws
 * `in-use` while this host has containers under it. `store`: opened under the earlier name.
 */
async function removeOldName(
  store: Store,
  { id, name: was }: HostIdentity,
  is: HostName,
  { isHere = isOwn, log }: SetupOptions,
): Promise<void> {
  const snapshot = await store.read()
  const { doubt } = store.status()
  if (doubt !== undefined) throw new DriverError('unavailable', doubt.why)
  const last = await store.lastAnnouncement()
  if (last !== undefined && last.id !== id) return
  const leased = [...leasesOnHost(snapshot, was).values()].filter(({ value }) => !isIdle(value))
  const count = Math.max(endpointsOnHost(snapshot, was).length, leased.length)
  if (count > 0) {
    throw new DriverError(
      'in-use',
      `this host is ${was} in the cluster and has ${count} addresses, so it cannot become ${is}`,
      {
        hint: `start it with --host-name=${was} and remove its containers on multihost networks first; on a copied disk delete host.json in the state folder instead`,
      },
    )
  }
  const isElsewhere = last?.vtep !== undefined && isHere(last.vtep) !== true
  if (isElsewhere || last?.isOwnSession === false) {
    const has = isElsewhere
      ? 'an address that this one does not have'
      : 'a live driver that this one has not started'
    log.warn(
      { name: was, vtep: last?.vtep, hint: `if no machine has that name, run: multihost host rm ${was}` },
      `the records under the earlier name stay: the host that wrote them has ${has}`,
    )
    return
  }
  try {
    await evict(store, was)
  } catch (error) {
    if (isCode(error, 'corrupt'))
      log.warn({ name: was, hint: error.hint }, `the records under the earlier name stay: ${error.message}`)
    else if (!isCode(error, 'not-found')) throw error
  }
}

function checked(name: string): HostName {
  if (isHostName(name)) return name
  throw new DriverError('unavailable', `the hostname '${name}' cannot be a host's name in the cluster`, {
    hint: 'set a hostname of letters, digits, dots and dashes, or give --host-name=NAME',
  })
}
