/**
 * `multihost join`: the options into the file of the unit, the unit started, the name claimed.
 *
 * Every step can be taken twice, and the driver keeps its name in its state folder as the last of them. So a
 * join that was interrupted leaves a host without a name, and the same command goes on. A join that fails
 * removes what it made.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Status, WaitingStatus } from '../control/status.ts'
import { asDriverError, DriverError } from '../core/errors.ts'
import { type Finding, isMissing } from './finding.ts'
import { withDriver, withoutDriver, wordsIn } from './options-file.ts'
import { areSame, differInStoreAlone, shareStore, storeIn, type Wanted } from './settings.ts'
import type { Unit, UnitState } from './unit.ts'

export interface JoinParts {
  wanted: Wanted
  unit: Unit
  readOptions(): Promise<string>
  writeOptions(text: string): Promise<void>
  /** The state folder has this host's name in the cluster. */
  hasName(): Promise<boolean>
  /** dockerd can be told the driver's address for DNS in the block: daemon.json does not name one. */
  mayNameDns(): Promise<boolean>
  /** The wanted store answers, and holds the cluster that the state folder names. */
  isOwnStore(): Promise<boolean>
  /** Servers of the store that these words name, which answer and are not the wanted store's. */
  oldServersApart(before: readonly string[]): Promise<string[]>
  examine(): Promise<Finding[]>
  status(): Promise<Status | WaitingStatus>
  /** Removes what the driver of a host that was no member before has made. What stays, as a sentence. */
  withdraw(): Promise<string | undefined>
  claimsWithinMs?: number
  /** A driver that runs already has this long. */
  startsWithinMs?: number
  pollEveryMs?: number
}

export type Joined =
  | { is: 'already' }
  /** Nothing was changed. */
  | { is: 'refused'; findings: Finding[] }
  | { is: 'joined'; status: Status }

/**
 * A new address of a member's own store is taken. Throws `taken` for a member of another store or with other
 * options, and where another Consul still answers on the old address; `unavailable` when the driver claims no
 * name.
 */
export async function join(parts: JoinParts): Promise<Joined> {
  const { wanted, readOptions, unit, hasName } = parts
  const text = await readOptions()
  const before = wordsIn(text, 'MULTIHOST_OPTS')
  const [unitBefore, isNamed] = await Promise.all([unit.state(), hasName()])
  const { isEnabled, isActive, isStarting } = unitBefore
  const isSame = before !== undefined && areSame(before, wanted.words)
  if (isSame && isEnabled && (isActive || isStarting)) {
    // Its driver may be starting, after an interrupted join too. To an examination its session and its probe
    // would be those of another host.
    const found = await claimed(parts, parts.startsWithinMs ?? 10_000)
    if (isNamed && typeof found === 'string') throw waits(found)
    if (isNamed) return { is: 'already' }
    if (typeof found !== 'string') return { is: 'joined', status: found }
  }
  const isMove = !isSame && before !== undefined && (isActive || isNamed)
  if (isMove) {
    const isMoved = isNamed && differInStoreAlone(before, wanted.words) && (await parts.isOwnStore())
    if (!isMoved) throw other(before, wanted.words)
  }
  const findings = await parts.examine()
  if (findings.some(isMissing)) return { is: 'refused', findings }
  if (isMove) await refuseTwoStores(parts, before)
  const options = await writeWanted(parts)
  try {
    return { is: 'joined', status: await take(parts) }
  } catch (error) {
    const stays = await undo(parts, { options, unitBefore, isNamed })
    const { message, hint } = asDriverError(error)
    throw new DriverError('unavailable', `${message}; ${stays ?? 'everything is as before'}`, {
      hint,
      cause: error,
    })
  }
}

/** The options file before and after this host's options came into it. */
interface Written {
  before: string
  after: string
  dns: string | undefined
}

/** Reads the file anew: the examination takes seconds, and a person may write meanwhile. */
async function writeWanted({ wanted, readOptions, writeOptions, mayNameDns }: JoinParts): Promise<Written> {
  const dns = (await mayNameDns()) ? ownDns(wanted.options) : undefined
  const before = await readOptions()
  const after = withDriver(before, wanted.words, dns)
  await writeOptions(after)
  return { before, after, dns }
}

/** Throws `taken` while the old Consul answers beside the wanted one, as after a restore of its snapshot. */
async function refuseTwoStores(
  { wanted, oldServersApart }: JoinParts,
  before: readonly string[],
): Promise<void> {
  const apart = await oldServersApart(before)
  if (apart.length === 0) return
  const message = `stop the old Consul first: it still answers on ${apart.join(', ')}, and it is another Consul than the one at ${storeIn(wanted.words)}; both would lease the same addresses`
  throw new DriverError('taken', message, {
    hint: 'stop it, and repeat the command on every host of the cluster; containers run on meanwhile',
  })
}

async function take(parts: JoinParts): Promise<Status> {
  const { unit, claimsWithinMs = 60_000 } = parts
  await unit.start()
  const found = await claimed(parts, claimsWithinMs)
  if (typeof found !== 'string') return found
  const message = `this host has not become a member within ${claimsWithinMs / 1000} s: ${found}`
  throw new DriverError('unavailable', message, { hint: 'see: journalctl -u multihost' })
}

/** Resolves when the driver holds its name; after `withinMs`, with what it waits for. */
async function claimed(
  { status, hasName, pollEveryMs = 200 }: JoinParts,
  withinMs: number,
): Promise<Status | string> {
  const end = performance.now() + withinMs
  for (;;) {
    const found = await status().catch((error: unknown) => asDriverError(error))
    // Without a name in the state folder, the host that the store shows as alive is another one.
    const why = waitsFor(found) ?? ((await hasName()) ? undefined : 'its driver has not claimed the name')
    if (why === undefined) return found as Status
    if (performance.now() > end) return why
    await delay(pollEveryMs)
  }
}

/** Undefined when the driver holds its name. */
function waitsFor(found: Status | WaitingStatus | DriverError): string | undefined {
  if (found instanceof DriverError) return found.line
  if ('waiting' in found) return found.waiting
  const { store, hosts, host } = found
  if (!store.fresh) return `the store ${store.url} is away: ${store.lastError ?? 'not connected yet'}`
  if (store.doubt !== undefined) return store.doubt.why
  const own = hosts.find(({ name }) => name === host)
  return own?.alive === true ? undefined : `the store does not show ${host} as alive`
}

/** The address for dockerd's `--dns`. Undefined unless it is the driver's own (169.254.0.0/16). */
export function ownDns({ dnsListen }: Pick<Wanted['options'], 'dnsListen'>): string | undefined {
  return dnsListen?.ownPort === undefined ? undefined : dnsListen.address
}

interface Before {
  options: Written
  unitBefore: UnitState
  isNamed: boolean
}

/**
 * A host that was a member stays one: its networks and records are not touched. A step that fails keeps none
 * of the others from being taken. What stays of another host, and what failed, as a sentence.
 */
async function undo(parts: JoinParts, { options, unitBefore, isNamed }: Before): Promise<string | undefined> {
  const { unit, withdraw } = parts
  const stays: string[] = []
  const attempt = (step: () => Promise<unknown>): Promise<boolean> =>
    step().then(
      (says) => typeof says !== 'string' || stays.push(says) > 0,
      (error: unknown) => {
        stays.push(asDriverError(error).line)
        return false
      },
    )
  const isMember = isNamed || unitBefore.isActive
  // A driver that runs would make again what goes.
  if (!isMember && (await attempt(() => unit.stop()))) await attempt(() => withdraw())
  await attempt(() => putBack(parts, options))
  await attempt(() => unit.restore(unitBefore))
  return stays.length === 0 ? undefined : stays.join('; ')
}

/** What a person has written since the join began stays. */
async function putBack(
  { readOptions, writeOptions }: JoinParts,
  { before, after, dns }: Written,
): Promise<void> {
  const now = await readOptions()
  const words = wordsIn(before, 'MULTIHOST_OPTS')
  if (now === after) return writeOptions(before)
  await writeOptions(words === undefined ? withoutDriver(now, dns) : withDriver(now, words))
}

function waits(why: string): DriverError {
  return new DriverError('unavailable', `this host is a member already, and its driver waits: ${why}`, {
    hint: "see 'multihost status'",
  })
}

function other(before: readonly string[], wanted: readonly string[]): DriverError {
  const [is, asks] = [storeIn(before), storeIn(wanted)]
  if (!shareStore(before, wanted)) {
    return new DriverError(
      'taken',
      `this host is a member of the cluster at ${is}, and not of the one at ${asks}`,
      {
        hint: "to move it, run 'multihost leave' first; for another address of the same store, Consul must answer at that address",
      },
    )
  }
  const message = `this host is a member of the cluster at ${is} with other options: ${before.join(' ')}`
  return new DriverError('taken', message, {
    hint: "change them in /etc/default/docker and run 'systemctl restart multihost', or run 'multihost leave' first",
  })
}
