/**
 * Whose this host's name and its VTEP are. The driver decides by it before it takes part, and
 * `multihost doctor` before a driver runs.
 *
 * Two machines of one name would undo each other's records. VTEP and id tell an earlier life of this host
 * from another machine: a host keeps its id when its address changes. Machines behind NAT can have the same
 * address: VirtualBox gives 10.0.2.15 to each of them. So a live host with another id is another machine,
 * also when both have the same address, and so is one whose session this machine has not made.
 */
import { type Liveness, lifeOf } from './liveness.ts'
import type { HostName, HostRecord, Ip } from './records.ts'

export interface Claimant {
  host: HostName
  /** Undefined for a machine that has never claimed a name. */
  id: string | undefined
  /** Undefined where the interface is not known: then the id decides alone. */
  vtep: Ip | undefined
}

/** Id and VTEP that the key `alive/<host>` says; undefined where a person has written another value. */
interface Announced {
  id?: string | undefined
  vtep?: Ip | undefined
}

export interface NameHolder {
  record?: HostRecord | undefined
  /** Undefined where the key `alive/<host>` is absent. */
  announcement?: Announced | undefined
  /** The session that holds the key, unless it is the claimant's own. */
  lockedBy?: string | undefined
  /** That session was made by this machine. Undefined: not known. */
  isOwnSession?: boolean | undefined
  /** Counts for a record without an announcement. */
  liveness?: Liveness | undefined
}

/** One sentence, and for `taken` what to do. */
export type ClaimVerdict = { is: 'free' | 'own'; why: string } | { is: 'taken'; why: string; hint: string }

/** A host that is away keeps its name as long as its record stands. A live one keeps it without a record, too. */
export function judgeClaim(self: Claimant, holder: NameHolder): ClaimVerdict {
  const { host, id, vtep } = self
  const { record, announcement, lockedBy, isOwnSession, liveness } = holder
  const hasOwnId = id !== undefined && announcement?.id === id
  const hasOwnVtep = vtep !== undefined && announcement?.vtep === vtep
  const own: ClaimVerdict = { is: 'own', why: `the name ${host} is this host's` }
  if (lockedBy !== undefined) {
    const isEarlierLife = hasOwnId && (hasOwnVtep || vtep === undefined) && isOwnSession !== false
    return isEarlierLife ? own : held(host, announcement, hintFor(hasOwnId, hasOwnVtep))
  }
  if (record === undefined) return { is: 'free', why: `no host is called ${host}` }
  if (announcement === undefined) {
    // A driver older than the key `alive/<host>` wrote the record.
    const isAlive = liveness !== undefined && lifeOf(host, record, liveness) === 'alive'
    return isAlive && record.vtep !== vtep ? held(host, record, hintFor(false, false)) : own
  }
  if (hasOwnId) return own
  if (!hasOwnVtep) return away(host, announcement)
  return { is: 'own', why: 'this host was installed anew: it has its earlier name, address and records' }
}

function held(host: HostName, by: Announced | undefined, hint: string): ClaimVerdict {
  return { is: 'taken', why: `another live host is called ${host}: ${show(by)}`, hint }
}

const ends = 'its old session ends'

function hintFor(hasOwnId: boolean, hasOwnVtep: boolean): string {
  if (hasOwnId) {
    const copied =
      "that host has this host's id, so one disk is a copy of the other: on the copy, stop multihost, delete host.json in its state folder, and start it with --host-name=NAME"
    return hasOwnVtep ? `${copied}; without a copy, wait half a minute: ${ends}` : copied
  }
  const named = 'this host takes part in nothing until it is started with a name of its own: --host-name=NAME'
  return hasOwnVtep ? `if this machine was installed anew, wait half a minute: ${ends}; else ${named}` : named
}

function away(host: HostName, last: Announced): ClaimVerdict {
  return {
    is: 'taken',
    why: `the name ${host} belongs to another host, which is away: ${show(last)}`,
    hint: `start this host with --host-name=NAME, or, if the other one will not come back, run 'multihost host rm ${host}' on another host`,
  }
}

function show({ vtep = 'unknown', id = 'unknown' }: Announced = {}): string {
  return `VTEP ${vtep}, id ${id}`
}

/**
 * Another live host that has the VTEP: the two would make no entries for each other, and what is sent to one
 * would reach the other. A host that is away keeps no address from another one.
 *
 * A host has a VTEP when its record says so. Hosts that start at once have no record yet, and see each
 * other's announcements: the one whose key `alive/<host>` was made first goes on.
 */
export function liveVtepHolder(
  { host, vtep }: { host: HostName; vtep: Ip },
  records: ReadonlyMap<HostName, HostRecord>,
  seen: Liveness,
): HostName | undefined {
  const announced = [...seen.announced].flatMap(([name, ip]) => (ip === vtep ? [name] : []))
  const at = announced.indexOf(host)
  const earlier = at < 0 ? announced : announced.slice(0, at)
  // An announcement is newer than a record: such a host is about to have another VTEP.
  const recorded = [...records].flatMap(([name, record]) =>
    record.vtep === vtep && (seen.announced.get(name) ?? vtep) === vtep ? [name] : [],
  )
  const others = [...recorded, ...earlier].filter((name) => name !== host)
  return others.find((name) => lifeOf(name, records.get(name), seen) === 'alive')
}
