/**
 * `multihost join`: the options into the file of the unit, the unit started, the name claimed.
 *
 * Every step can be taken twice, and the driver keeps its name in its state folder as the last of them. So a join that
 * was interrupted leaves a host without a name, and the same command goes on. A join that fails removes what it made.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Status, WaitingStatus } from '../control/status.ts'
import { asDriverError, DriverError } from '../core/errors.ts'
import { type Finding, isMissing } from './finding.ts'
import { withDriver, withoutDriver, wordsIn } from './options-file.ts'
import { areSame, storeIn, type Wanted } from './settings.ts'
import type { Unit } from './unit.ts'

export interface JoinParts {
  wanted: Wanted
  unit: Unit
  readOptions(): Promise<string>
  writeOptions(text: string): Promise<void>
  /** The state folder has this host's name in the cluster. */
  hasName(): Promise<boolean>
  /** dockerd can be told the driver's address for DNS in the block: daemon.json does not name one. */
  mayNameDns(): Promise<boolean>
  examine(): Promise<Finding[]>
  status(): Promise<Status | WaitingStatus>
  /** Removes what a driver that was started has made. */
  withdraw(keepState: boolean): Promise<void>
  claimsWithinMs?: number
  pollEveryMs?: number
}

export type Joined =
  | { is: 'already' }
  /** Nothing was changed. */
  | { is: 'refused'; findings: Finding[] }
  | { is: 'joined'; status: Status }

/** Throws `taken` for a member of another store or with other options, `unavailable` when the driver claims no name. */
export async function join(parts: JoinParts): Promise<Joined> {
  const { wanted, readOptions, unit, hasName } = parts
  const text = await readOptions()
  const before = wordsIn(text, 'MULTIHOST_OPTS')
  const [{ isEnabled, isActive }, isNamed] = await Promise.all([unit.state(), hasName()])
  const isSame = before !== undefined && areSame(before, wanted.words)
  if (isSame && isEnabled && isActive && isNamed) return { is: 'already' }
  if (!isSame && before !== undefined && (isActive || isNamed)) throw other(before, wanted.words)
  const findings = await parts.examine()
  if (findings.some(isMissing)) return { is: 'refused', findings }
  try {
    return { is: 'joined', status: await take(parts, text) }
  } catch (error) {
    await undo(parts, { text, hadOptions: before !== undefined, isNamed })
    const { message, hint } = asDriverError(error)
    throw new DriverError('unavailable', `${message}; everything is as before`, {
      ...(hint !== undefined && { hint }),
      cause: error,
    })
  }
}

async function take(parts: JoinParts, text: string): Promise<Status> {
  const { wanted, unit, writeOptions, claimsWithinMs = 60_000, pollEveryMs = 200 } = parts
  const dns = (await parts.mayNameDns()) ? ownDns(wanted) : undefined
  await writeOptions(withDriver(text, wanted.words, dns))
  await unit.start()
  const end = performance.now() + claimsWithinMs
  for (;;) {
    const found = await parts.status().catch((error: unknown) => asDriverError(error))
    const why = waitsFor(found)
    if (why === undefined) return found as Status
    if (performance.now() > end) {
      const message = `this host has not become a member within ${claimsWithinMs / 1000} s: ${why}`
      throw new DriverError('unavailable', message, { hint: 'see: journalctl -u multihost' })
    }
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

/** Under the driver's own address it is named to dockerd; another one is the person's choice. */
export function ownDns({ options: { dnsListen } }: Wanted): string | undefined {
  return dnsListen?.ownPort === undefined ? undefined : dnsListen.address
}

async function undo(
  { unit, writeOptions, withdraw, wanted }: JoinParts,
  { text, hadOptions, isNamed }: { text: string; hadOptions: boolean; isNamed: boolean },
): Promise<void> {
  await unit.stop()
  await withdraw(isNamed)
  await writeOptions(hadOptions ? withoutDriver(text, ownDns(wanted)) : text)
}

function other(before: readonly string[], wanted: readonly string[]): DriverError {
  const [is, asks] = [storeIn(before), storeIn(wanted)]
  if (is !== asks) {
    return new DriverError(
      'taken',
      `this host is a member of the cluster at ${is}, and not of the one at ${asks}`,
      {
        hint: "to move it, run 'multihost leave' first",
      },
    )
  }
  const message = `this host is a member of the cluster at ${is} with other options: ${before.join(' ')}`
  return new DriverError('taken', message, {
    hint: "change them in /etc/default/docker and run 'systemctl restart multihost', or run 'multihost leave' first",
  })
}
