/**
 * `multihost leave`: takes this host out of its cluster, and leaves the machine as it was before it joined.
 *
 * The name and the options go last, so that a leave that was interrupted can be repeated.
 */
import { asDriverError, DriverError } from '../core/errors.ts'
import { type Asked, failureIn, foundIn } from './facts.ts'
import { withoutDriver } from './options-file.ts'
import type { Attached, FromDocker } from './removal.ts'
import type { Unit } from './unit.ts'

export interface LeaveParts {
  unit: Unit
  force: boolean
  readOptions(): Promise<string>
  writeOptions(text: string): Promise<void>
  /** The driver's own address for DNS. */
  dns: string | undefined
  /** dockerd's options name that address. */
  dockerAsksDriver(): Promise<boolean>
  /** This host's name in the cluster. Undefined where it never claimed one. */
  name: string | undefined
  attached(): Promise<Asked<Attached[]>>
  /** Why the records cannot be removed from the store; undefined when it answers and is the right one. */
  storeFailure(): Promise<string | undefined>
  fromDocker(attached: readonly Attached[]): Promise<FromDocker>
  fromKernel(): Promise<void>
  fromStore(): Promise<void>
  state(): Promise<void>
  runFiles(): Promise<void>
}

/** What was done, a sentence each. Throws `in-use` and `unavailable` before anything is changed. */
export async function leave(parts: LeaveParts): Promise<string[]> {
  const { force, name } = parts
  // A file that cannot be read is found before anything is changed.
  await parts.readOptions()
  // A host without a name has no records.
  const storeFailure = name === undefined ? undefined : parts.storeFailure()
  const [asked, away] = await Promise.all([parts.attached(), storeFailure])
  if (!force) check(asked, away)
  const dnsHint = (await parts.dockerAsksDriver()) ? [dnsSentence(parts.dns)] : []
  const attached = await stopped(parts, away)
  const { disconnected, stays } = await remove(parts, { attached, away })
  const now = await parts.readOptions()
  const without = withoutDriver(now, parts.dns)
  if (without !== now) await parts.writeOptions(without)
  return [
    ...disconnected.map(
      ({ container, network }) => `container ${container} was disconnected from network ${network}`,
    ),
    ...stays,
    ...dnsHint,
    `this host${name === undefined ? '' : `, ${name},`} is out of the cluster`,
  ]
}

function check(attached: Asked<Attached[]>, away: string | undefined): void {
  const found = foundIn(attached)
  if (found === undefined) {
    throw new DriverError(
      'unavailable',
      `Docker does not say which containers are on the cluster's networks: ${failureIn(attached)}`,
      {
        hint: 'start Docker, or leave its networks behind with --force',
      },
    )
  }
  if (found.length > 0) {
    const list = found.map(({ container, network }) => `${container} on ${network}`).join(', ')
    throw new DriverError('in-use', `containers of this host are on the cluster's networks: ${list}`, {
      hint: 'remove or disconnect them, or disconnect them all with --force',
    })
  }
  if (away !== undefined) {
    throw new DriverError('unavailable', `this host's records cannot be removed: ${away}`, {
      hint: "repeat it when the store answers (if its address has changed, run 'multihost join' with the new one), or leave the records there with --force",
    })
  }
}

/** Stops the driver. A container may have been started until then: without `--force` the driver goes on. */
async function stopped(
  { unit, force, attached }: LeaveParts,
  away: string | undefined,
): Promise<Asked<Attached[]>> {
  const before = await unit.state()
  // A unit that a person has masked counts as none, and its driver may run on.
  const isThere = before.isInstalled || before.isActive || before.isStarting
  if (isThere) await unit.stop()
  const found = await attached()
  try {
    if (!force) check(found, away)
  } catch (error) {
    if (isThere) await unit.restore(before)
    throw error
  }
  return found
}

/** `stays`: a sentence each. */
async function remove(
  parts: LeaveParts,
  { attached, away }: { attached: Asked<Attached[]>; away: string | undefined },
): Promise<{ disconnected: readonly Attached[]; stays: string[] }> {
  const stays: string[] = []
  const found = foundIn(attached)
  const inDocker = found && (await parts.fromDocker(found))
  if (inDocker === undefined)
    stays.push(
      `the networks of the driver vxlan stay in Docker, which does not answer: ${failureIn(attached)}; start Docker, and run 'multihost leave' again before the package is purged`,
    )
  else stays.push(...refusals(inDocker.refused, parts.force))
  await parts.fromKernel()
  const failure = away ?? (await failureOf(parts))
  if (failure !== undefined) stays.push(recordsStay(parts.name, failure))
  await parts.state()
  await parts.runFiles()
  return { disconnected: inDocker?.disconnected ?? [], stays }
}

/** With `--force` alone a refusal of Docker ends nothing. */
function refusals(refused: string[], force: boolean): string[] {
  if (force || refused.length === 0) return refused
  throw new DriverError('unavailable', refused.join('; '), {
    hint: 'restart Docker and repeat it, or leave that behind with --force',
  })
}

/** With `--force` alone a refusal of the store ends nothing. */
async function failureOf({ force, fromStore }: LeaveParts): Promise<string | undefined> {
  try {
    await fromStore()
    return undefined
  } catch (error) {
    if (!force) throw error
    return asDriverError(error).message
  }
}

function recordsStay(name: string | undefined, why: string): string {
  const what = name === undefined ? "this host's records stay" : `the records of host ${name} stay`
  const how = name === undefined ? '' : `; remove them on another host: multihost host rm ${name}`
  return `${what} in the store (${why})${how}`
}

function dnsSentence(dns: string | undefined): string {
  return `Docker still sends containers' questions for names to ${dns}, where nothing answers any more: remove the address from /etc/docker/daemon.json if it is there, and restart Docker`
}
