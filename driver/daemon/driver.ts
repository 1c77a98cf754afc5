/**
 * The driver of one host. It is in one of two stages: it takes part in the cluster (member.ts), or it waits
 * and takes part in nothing (waiting.ts), because the machine is not ready or because another host has its
 * name or its VTEP.
 *
 * It waits without end and tries again every two seconds. Both sockets are open in both stages. A member
 * whose name or VTEP turns out to be another host's goes back to waiting.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Status } from '../control/status.ts'
import { asDriverError, DriverError, isCode } from '../core/errors.ts'
import type { Ip } from '../core/records.ts'
import type { Log } from '../log.ts'
import { createHostClaim, type HostClaim } from '../loops/host/claim.ts'
import type { Call } from '../protocol/app.ts'
import { within } from '../within.ts'
import type { DriverOptions } from './dependencies.ts'
import { type Member, startMember } from './member.ts'
import { type Apps, openSockets, type Sockets } from './sockets.ts'
import { waitingApps } from './waiting.ts'

export interface Driver {
  /** Throws `unavailable` while the driver waits. */
  status(): Status
  /** Why this host takes part in nothing; undefined when it takes part. */
  waiting(): DriverError | undefined
  /** Answers what is under way, then stops. */
  close(): Promise<void>
}

/** For the containers that the driver itself is starting when it stops. A slow volume may take longer. */
const startsEndWithinMs = 5000
/** The store's time to tell who has the name. Later, the host loop of the member claims it. */
const claimWithinMs = 2000

interface Running {
  options: DriverOptions
  startedAt: string
  /** The member, or the reason why this host waits. */
  stage: Member | DriverError
  sockets: Sockets | undefined
  stop: AbortController
  /** The attempts to take part, or the way back to them. */
  trying: Promise<void>
}

/**
 * Resolves when both sockets are open, in either stage. Throws `taken` when another driver answers on one of
 * them.
 */
export async function startDriver(options: DriverOptions): Promise<Driver> {
  const running: Running = {
    options,
    startedAt: new Date().toISOString(),
    stage: new DriverError('unavailable', 'the driver is starting'),
    sockets: undefined,
    stop: new AbortController(),
    trying: Promise.resolve(),
  }
  let decided = (): void => undefined
  const first = new Promise<void>((resolve) => {
    decided = resolve
  })
  running.trying = tryToTakePart(running, decided)
  await within(first, options.intervals.openWithinMs)
  try {
    running.sockets = await openSockets(options.sockets, appsOf(running), options.log)
    running.sockets.use(appsOf(running))
  } catch (error) {
    await close(running)
    throw error
  }
  return {
    status() {
      if (running.stage instanceof DriverError) throw running.stage
      return running.stage.status()
    },
    waiting: () => (running.stage instanceof DriverError ? running.stage : undefined),
    close: () => close(running),
  }
}

/** Until it succeeds. `decided` is called when it has, or when another host has the name or the VTEP. */
async function tryToTakePart(running: Running, decided: () => void = () => undefined): Promise<void> {
  const { log, intervals } = running.options
  const { signal } = running.stop
  for (let told = ''; !signal.aborted; ) {
    const stage = await attempt(running)
    setStage(running, stage)
    if (!(stage instanceof DriverError)) return decided()
    if (stage.line !== told) log.warn({ err: stage }, 'this host takes part in nothing, and tries again')
    told = stage.line
    if (stage.code === 'taken') decided()
    await delay(intervals.attemptEveryMs, undefined, { signal }).catch(() => 'the driver stops')
  }
}

async function attempt(running: Running): Promise<Member | DriverError> {
  const { options, startedAt, stage: before } = running
  try {
    const setup = await options.prepare()
    let member: Member | undefined
    // A claim of an attempt that was given up may end later, beside the member of the next attempt.
    const onTaken = (error: DriverError): void => {
      if (member !== undefined && member === running.stage) leave(running, member, error)
    }
    const claim = createHostClaim({ ...setup, log: options.log, onTaken })
    const isInTime = await claimInTime(claim, setup.underlay.address)
    // The name or the VTEP was another host's a moment ago, and the store does not tell that this has changed.
    if (!isInTime && isCode(before, 'taken')) return before
    const stopping = running.stop.signal
    member = await startMember({ ...options, setup, startedAt, claim, stopping, onCall: callsOf(options) })
    return member
  } catch (error) {
    return asDriverError(error)
  }
}

/** False when the store does not answer in time. Throws `taken`. */
async function claimInTime(claim: HostClaim, vtep: Ip): Promise<boolean> {
  try {
    const claimed = claim.renew(vtep).then(() => true)
    return (await within(claimed, claimWithinMs)) ?? false
  } catch (error) {
    if (isCode(error, 'unavailable')) return false
    throw error
  }
}

/** A member whose name or VTEP is another host's goes back to waiting. */
function leave(running: Running, member: Member, error: DriverError): void {
  const { stop, options } = running
  if (stop.signal.aborted) return
  options.log.error({ err: error }, 'this host leaves the cluster')
  setStage(running, error)
  running.trying = member.close().then(() => tryToTakePart(running))
}

function setStage(running: Running, stage: Running['stage']): void {
  running.stage = stage
  running.sockets?.use(appsOf(running))
}

function appsOf({ stage, options, startedAt }: Running): Apps {
  if (!(stage instanceof DriverError)) return stage.apps
  return waitingApps({ version: options.version, startedAt, reason: stage, onCall: callsOf(options) })
}

/**
 * Docker calls the driver while it starts a container, and holds the container's lock meanwhile, for which
 * other questions about the container wait. So starts end before the sockets close, and questions when they
 * have closed: a loop that waited for its answer would wait for the next driver.
 */
async function close(running: Running): Promise<void> {
  const member = () => (running.stage instanceof DriverError ? undefined : running.stage)
  running.stop.abort()
  await within(member()?.endStarts(), startsEndWithinMs)
  await running.sockets?.close()
  await running.trying
  const closed = member()?.close()
  running.options.engine.close()
  await closed
}

function callsOf({ log, answering }: DriverOptions): (call: Call) => void {
  return (call) => {
    logCall(log, call)
    answering(call.method)
  }
}

function logCall(log: Log, { method, outcome, durationMs, error }: Call): void {
  const fields = { method, outcome, ms: Math.round(durationMs) }
  if (error === undefined) log.debug(fields, 'answered')
  else log[error.code === 'internal' ? 'error' : 'warn']({ ...fields, err: error }, 'refused')
}
