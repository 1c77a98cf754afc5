/**
 * `multihost daemon`: from options to a running driver, until SIGTERM.
 *
 * systemd's READY means that the sockets are open, not that Consul answers: Docker waits for the driver at
 * boot, and with the disk copy of the store containers can stop and networks be listed. Exit code 2 is for
 * wrong options alone; what the machine does not have yet is waited for without end (driver.ts), and so are
 * the options of a member that are gone (options-are-gone.ts).
 */
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { promisify } from 'node:util'
import { pino } from 'pino'
import { asDriverError } from '../core/errors.ts'
import type { HostName } from '../core/records.ts'
import { outsideResolvers } from '../dns/resolvers.ts'
import { engineClient } from '../engine/client.ts'
import { dockerEngine } from '../engine/docker.ts'
import { dockerCommands } from '../engine/docker-commands.ts'
import { realKernel } from '../kernel/real.ts'
import { openTunnelSocket } from '../kernel/tunnel-socket.ts'
import type { Log } from '../log.ts'
import { checkFree } from '../protocol/socket.ts'
import { type ConsulOptions, openConsulStore } from '../store/consul/store.ts'
import { openOwnSessions } from '../store/own-sessions.ts'
import type { Store } from '../store/store.ts'
import { version } from '../version.ts'
import { type CrashPoints, crashPoints, crashVariable } from './crash-points.ts'
import type { DriverOptions } from './dependencies.ts'
import { startDriver } from './driver.ts'
import { usualIntervals } from './intervals.ts'
import { loggedError } from './logged-error.ts'
import {
  type DaemonOptions,
  noStore,
  type OpenOptions,
  parseDaemonOptions,
  parseOpenOptions,
} from './options.ts'
import { optionsAreGone } from './options-are-gone.ts'
import { createPreparation, type Preparation } from './setup.ts'
import { type FindUnderlay, underlayFinder } from './underlay.ts'

/** Beside the time limit of Docker's calls: what is still under way then is given up. The unit waits longer. */
const stopsWithinMs = 2000

export async function daemon(args: string[]): Promise<never> {
  const options = await optionsIn(args)
  const log = pino({
    level: options.logLevel,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: loggedError },
  })
  process.on('unhandledRejection', (err) =>
    log.error({ err }, 'a defect: a rejected promise without a handler'),
  )
  const { stop } = await start(options, log)
  log.info({ version, store: options.kvStore }, 'the sockets are open')
  await notify(log, '--ready')
  const signal = await new Promise<string>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT']) process.once(name, () => resolve(name))
  })
  log.info({ signal }, 'stopping; the kernel goes on forwarding')
  await notify(log, 'STOPPING=1')
  const stopWithinMs = options.answerWithinMs + stopsWithinMs
  setTimeout(() => {
    log.warn({}, `calls were still under way after ${stopWithinMs / 1000} s`)
    process.exit(1)
  }, stopWithinMs).unref()
  await stop()
  process.exit(0)
}

/** Without a store on a member whose options are gone: the driver waits for them. Throws `invalid`. */
async function optionsIn(args: string[]): Promise<OpenOptions> {
  const options = parseOpenOptions(args)
  const gone = await optionsAreGone(options).catch((error: unknown) => error)
  return gone === undefined ? parseDaemonOptions(args) : options
}

/**
 * The unit's protection makes most folders read-only, or empty, for the driver. The engine may keep its files
 * in any of them (`data-root`). The first process has the machine's own view.
 */
function fileRoot(): string {
  const root = '/proc/1/root'
  try {
    readdirSync(root)
    return root
  } catch {
    return ''
  }
}

async function start(options: OpenOptions, log: Log): Promise<{ stop(): Promise<void> }> {
  const { namespaceFolder } = options
  // Before the store and the kernel are touched: two drivers on one machine would undo each other's work.
  await checkFree(options.socket)
  const points = crashPoints(process.env[crashVariable])
  const kernel = realKernel({
    folder: namespaceFolder,
    changed: (what) => points.wrote(`kernel: ${what}`),
    log,
  })
  const client = engineClient(options.dockerSocket)
  const find = underlayFinder(kernel, options)
  const preparation = preparationOf(options, { findUnderlay: find, points, log })
  const stopParts = async (): Promise<void> => {
    client.close()
    await Promise.all([preparation.close(), kernel.close()])
  }
  try {
    const driver = await startDriver({
      ...settingsOf(options),
      prepare: preparation.prepare,
      findUnderlay: find,
      kernel,
      openTunnel: openTunnelSocket,
      resolvers: () => outsideResolvers(),
      engine: dockerEngine(client),
      docker: dockerCommands(client),
      intervals: usualIntervals,
      answering: (method) => points.answering(`answer: ${method}`),
      version,
      log,
    })
    return {
      async stop() {
        await driver.close()
        await stopParts()
      },
    }
  } catch (error) {
    await stopParts()
    throw error
  }
}

function preparationOf(
  options: OpenOptions,
  { findUnderlay, points, log }: { findUnderlay: FindUnderlay; points: CrashPoints; log: Log },
): Preparation {
  const { kvStore, stateDir, hostName } = options
  if (kvStore === undefined) {
    const prepare = async (): Promise<never> => {
      throw (await optionsAreGone(options)) ?? noStore()
    }
    return { prepare, close: async () => undefined }
  }
  const openStore = async (host: HostName): Promise<Store> =>
    openConsulStore(await storeOptions({ ...options, kvStore }, host, points, log))
  return createPreparation({ stateDir, hostName, findUnderlay, openStore, log })
}

type DriverSettings = Pick<
  DriverOptions,
  | 'defaultNetwork'
  | 'sockets'
  | 'namespaceFolder'
  | 'pools'
  | 'names'
  | 'answerWithinMs'
  | 'filterIsOn'
  | 'journalPath'
>

/** What a person has set for the driver. The store's address and token are not the driver's. */
function settingsOf(options: OpenOptions): DriverSettings {
  const { defaultNetwork, socket, controlSocket, namespaceFolder, stateDir, addressPools } = options
  const { dnsListen, hostsFileLimit, answerWithinMs, filterIsOn } = options
  return {
    defaultNetwork,
    sockets: { socket, controlSocket, dockerSocket: options.dockerSocket },
    namespaceFolder,
    pools: addressPools,
    names: { dnsListen, hostsFileLimit, fileRoot: fileRoot() },
    answerWithinMs,
    filterIsOn,
    journalPath: `${stateDir}/journal.json`,
  }
}

async function storeOptions(
  { kvStore: url, tls, tokenFile, stateDir }: DaemonOptions,
  host: HostName,
  points: CrashPoints,
  log: Log,
): Promise<ConsulOptions> {
  return {
    url,
    host,
    tls,
    tokenFile,
    diskPath: `${stateDir}/snapshot.json`,
    ownSessions: await openOwnSessions(stateDir, log),
    wrote: (what) => points.wrote(`store: ${what}`),
    log,
  }
}

/** By systemd's command, since Node has no datagram unix sockets. Outside of systemd nothing is sent. */
async function notify(log: Log, message: string): Promise<void> {
  if (process.env.NOTIFY_SOCKET === undefined) return
  await promisify(execFile)('systemd-notify', [message]).catch((error: unknown) => {
    log.warn({ err: asDriverError(error) }, `systemd-notify ${message} failed`)
  })
}
