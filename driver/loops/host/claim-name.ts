/**
 * Claims this host's name in the cluster: the lock of the key `alive/<name>`. With the name goes the VTEP (claim-vtep.ts).
 *
 * Two machines of one name would undo each other's records, so a host whose name belongs to another one takes part in
 * nothing. VTEP and id tell an earlier life of this host from another machine: no two machines have one address of
 * the underlay, and a host keeps its id when its address changes.
 */
import { DriverError, isCode } from '../../core/errors.ts'
import { lifeOf } from '../../core/liveness.ts'
import type { HostName, HostRecord, Ip } from '../../core/records.ts'
import type { Log } from '../../log.ts'
import type { Announcement, Store } from '../../store/store.ts'
import { checkVtep } from './claim-vtep.ts'

export interface HostClaim extends Announcement {
  host: HostName
}

/**
 * The first claim of a driver; returns its session. Throws `taken` where the name or the VTEP is another host's,
 * `unavailable` where the store cannot tell.
 */
export async function claimName(store: Store, self: HostClaim, log: Log): Promise<string> {
  const snapshot = await store.read()
  const { doubt } = store.status()
  if (doubt !== undefined) throw new DriverError('unavailable', doubt.why, hinted(doubt.hint))
  const record = snapshot.hosts.get(self.host)?.value
  if (record !== undefined) await checkRecord(store, self, record, log)
  if (record?.vtep === self.vtep) return renewClaim(store, self)
  // A host that is refused announces nothing. Hosts that start at once see each other's announcements alone.
  await checkVtep(store, self, snapshot)
  const session = await renewClaim(store, self)
  await checkVtep(store, self)
  return session
}

export interface ClaimerOptions {
  store: Store
  host: HostName
  id: string
  log: Log
  /** This host holds its name: from now on the records under it are its own. */
  onClaimed(): void
  /** Another host holds this host's name or VTEP. */
  onTaken(error: DriverError): void
}

/** Claims the name again and again: for the host loop. Each call throws as `claimName`. */
export function createClaimer({ store, host, id, log, onClaimed, onTaken }: ClaimerOptions) {
  let claimed = false
  return async (vtep: Ip): Promise<string> => {
    const self = { host, id, vtep }
    try {
      const session = await (claimed ? renewClaim(store, self) : claimName(store, self, log))
      if (!claimed) onClaimed()
      claimed = true
      return session
    } catch (error) {
      if (isCode(error, 'taken')) onTaken(error)
      throw error
    }
  }
}

/** A later claim: the session, made anew if Consul has lost it. Throws as `claimName`. */
async function renewClaim(store: Store, { host, id, vtep }: HostClaim): Promise<string> {
  const outcome = await store.announce({ id, vtep })
  if (outcome.held) return outcome.session
  if (outcome.by.vtep !== vtep) throw held(host, outcome.by, id)
  await store.endSession(outcome.by.session)
  const again = await store.announce({ id, vtep })
  if (again.held) return again.session
  throw new DriverError('unavailable', `the name ${host} is held by session ${again.by.session}`)
}

/** The host that wrote the record may be away: then nothing holds the name, and its records are still its own. */
async function checkRecord(store: Store, self: HostClaim, record: HostRecord, log: Log): Promise<void> {
  const { host, id, vtep } = self
  const last = await store.lastAnnouncement()
  if (last === undefined) {
    // A driver of before the key `alive/<name>` wrote the record.
    const alive = record.vtep !== vtep && lifeOf(host, record, await store.liveness()) === 'alive'
    if (alive) throw held(host, { vtep: record.vtep }, id)
    return
  }
  // A session that holds the key is `renewClaim`'s subject.
  if (last.id === id || last.session !== undefined) return
  if (last.vtep !== vtep) throw away(host, last)
  log.warn(
    { host, was: last.id, is: id },
    'this host was installed anew: it has the name, address and records of before',
  )
}

function held(host: HostName, by: Partial<Announcement>, ownId: string): DriverError {
  const copied = by.id === ownId
  return new DriverError('taken', `another live host is called ${host}: ${show(by)}`, {
    hint: copied
      ? "that host has this host's id, so one disk is a copy of the other: on the copy, stop multihost, delete host.json in its state folder, and start it with --host-name=NAME"
      : 'this host takes part in nothing until it is started with a name of its own: --host-name=NAME',
  })
}

function away(host: HostName, last: Partial<Announcement>): DriverError {
  return new DriverError('taken', `the name ${host} belongs to another host, which is away: ${show(last)}`, {
    hint: `start this host with --host-name=NAME, or, if the other one will not come back, run 'multihost host rm ${host}' on another host`,
  })
}

function show({ vtep = 'unknown', id = 'unknown' }: Partial<Announcement>): string {
  return `VTEP ${vtep}, id ${id}`
}

function hinted(hint: string | undefined): { hint?: string } {
  return hint === undefined ? {} : { hint }
}
