/**
 * Claims this host's name in the cluster, the lock of the key `alive/<name>`, and with it the VTEP.
 *
 * A host whose name or VTEP belongs to another one takes part in nothing (core/host-claim.ts).
 */
import { defined } from '../../core/defined.ts'
import { DriverError, isCode } from '../../core/errors.ts'
import { judgeClaim, liveVtepHolder, type NameHolder } from '../../core/host-claim.ts'
import type { Liveness } from '../../core/liveness.ts'
import type { HostName, HostRecord, Ip, Snapshot } from '../../core/records.ts'
import { hostRecords } from '../../core/snapshot.ts'
import type { Log } from '../../log.ts'
import { isUnreadable } from '../../store/lookup.ts'
import type { Announcement, Store } from '../../store/store.ts'

export interface HostClaim {
  /** This host holds its name: the records under it are its own. Once true, it stays so. */
  isHeld(): boolean
  /**
   * Claims name and VTEP, or renews the claim; returns the session. Throws `taken` where the name or the VTEP
   * is another host's, `unavailable` where the store cannot tell.
   */
  renew(vtep: Ip): Promise<string>
}

export interface HostClaimOptions {
  store: Store
  host: HostName
  id: string
  log: Log
  /** Before `isHeld` becomes true. Where it throws, the next `renew` claims again. */
  claimed?(): Promise<void>
  /** Another host has this host's name or VTEP. Called before `renew` throws. */
  onTaken?(error: DriverError): void
}

export function createHostClaim(options: HostClaimOptions): HostClaim {
  const { store, host, id, log, claimed, onTaken } = options
  let isHeld = false
  const first = async (self: Self): Promise<string> => {
    const session = await claim(store, self, log)
    await claimed?.()
    isHeld = true
    return session
  }
  return {
    isHeld: () => isHeld,
    async renew(vtep) {
      const self = { host, id, vtep }
      try {
        return await (isHeld ? announce(store, self) : first(self))
      } catch (error) {
        if (isCode(error, 'taken')) onTaken?.(error)
        throw error
      }
    },
  }
}

interface Self extends Announcement {
  host: HostName
}

async function claim(store: Store, self: Self, log: Log): Promise<string> {
  const snapshot = await store.read()
  const { doubt } = store.status()
  if (doubt !== undefined) throw new DriverError('unavailable', doubt.why, defined({ hint: doubt.hint }))
  const record = snapshot.hosts.get(self.host)?.value
  if (record !== undefined) await judgeRecord(store, self, record, log)
  else if (isUnreadable(store.status(), 'hosts', self.host)) await checkOwn(store, self)
  if (record?.vtep === self.vtep) return announce(store, self)
  // A host that is refused announces nothing. Hosts that start at once see each other's announcements alone.
  checkVtep(self, snapshot, await store.liveness())
  const session = await announce(store, self)
  // Sessions are asked for by the records that have been read.
  checkVtep(self, await store.read(), await store.liveness())
  return session
}

/** The record may be another host's, also one that is away. Throws `taken`. */
async function judgeRecord(store: Store, self: Self, record: HostRecord, log: Log): Promise<void> {
  const announcement = await store.lastAnnouncement()
  // The session may be that of an earlier attempt of this process: `announce` tells it from another one.
  if (announcement?.session !== undefined) return
  const liveness = announcement === undefined ? await store.liveness() : undefined
  const why = judge(self, { record, announcement, liveness })
  if (announcement !== undefined && announcement.id !== self.id)
    log.warn({ was: announcement.id, is: self.id }, why)
}

/** The record, which cannot be read, may be that of a host that is away. Throws `unavailable`. */
async function checkOwn(store: Store, { host, id }: Self): Promise<void> {
  const last = await store.lastAnnouncement()
  // `announce` tells who a live holder is.
  if (last?.id === id || last?.session !== undefined) return
  const why = `the record hosts/${host} cannot be read, and may be another host's`
  throw new DriverError('unavailable', why, { hint: 'correct or delete its key' })
}

/** The session, made anew if Consul has lost it. Throws `taken`, `unavailable`. */
async function announce(store: Store, self: Self): Promise<string> {
  const { id, vtep } = self
  const outcome = await store.announce({ id, vtep })
  if (outcome.held) return outcome.session
  const { session, isOwnSession } = outcome.by
  judge(self, { announcement: outcome.by, lockedBy: session, isOwnSession })
  await store.endSession(session)
  const again = await store.announce({ id, vtep })
  if (again.held) return again.session
  throw new DriverError('unavailable', `the name ${self.host} is held by session ${again.by.session}`)
}

/** Why this host may claim the name. Throws `taken`. */
function judge(self: Self, holder: NameHolder): string {
  const verdict = judgeClaim(self, holder)
  if (verdict.is !== 'taken') return verdict.why
  throw new DriverError('taken', verdict.why, { hint: verdict.hint })
}

/** Throws `taken`. */
function checkVtep({ host, vtep }: Self, snapshot: Snapshot, seen: Liveness): void {
  const holder = liveVtepHolder({ host, vtep }, hostRecords(snapshot), seen)
  if (holder === undefined) return
  throw new DriverError('taken', `another live host has this host's VTEP ${vtep}: ${holder}`, {
    hint: 'this host takes part in nothing until it has an address of its own: name the interface with --bind-interface, by name or by CIDR; a host that has died counts as alive for half a minute',
  })
}
