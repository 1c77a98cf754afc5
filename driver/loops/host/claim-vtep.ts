/**
 * Refuses a VTEP that another live host has: the two would make no entries for each other, and what is sent to one would
 * reach the other. A host that is away keeps no address from another one; `multihost status` names both then.
 *
 * A host has a VTEP when its record says so. Hosts that start at once have no record yet, and see each other's
 * announcements: the one whose key `alive/<host>` was made first goes on.
 */
import { DriverError } from '../../core/errors.ts'
import { type Liveness, lifeOf } from '../../core/liveness.ts'
import type { HostName, Ip, Snapshot } from '../../core/records.ts'
import type { Store } from '../../store/store.ts'

interface Claim {
  host: HostName
  vtep: Ip
}

/** Called before this host announces the VTEP, and after. Throws `taken`. */
export async function checkVtep(
  store: Pick<Store, 'read' | 'liveness'>,
  claim: Claim,
  read: Snapshot | Promise<Snapshot> = store.read(),
): Promise<void> {
  const [snapshot, seen] = await Promise.all([read, store.liveness()])
  const holder = holderOf(snapshot, seen, claim)
  if (holder === undefined) return
  throw new DriverError('taken', `another live host has this host's VTEP ${claim.vtep}: ${holder}`, {
    hint: 'this host takes part in nothing until it has an address of its own: name the interface with --bind-interface, by name or by CIDR; a host that has died counts as alive for half a minute',
  })
}

function holderOf(snapshot: Snapshot, seen: Liveness, { host, vtep }: Claim): HostName | undefined {
  const all = [...snapshot.hosts].flatMap(([name, { value }]) => (value.vtep === vtep ? [name] : []))
  if (all.includes(host)) return undefined
  // An announcement is newer than a record: such a host is about to have another VTEP.
  const recorded = all.filter((name) => (seen.announced.get(name) ?? vtep) === vtep)
  const announced = [...seen.announced].flatMap(([name, ip]) => (ip === vtep ? [name] : []))
  const at = announced.indexOf(host)
  const earlier = at < 0 ? announced : announced.slice(0, at)
  return [...recorded, ...earlier].find(
    (name) => lifeOf(name, snapshot.hosts.get(name)?.value, seen) === 'alive',
  )
}
