/**
 * `multihost daemon`: from options to a running driver, until SIGTERM.
 *
 * Ready means that Docker's calls are answered, not that Consul is there: Docker waits for us at boot, and with the
 * copy of the last state containers can stop and networks be listed.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { pino } from 'pino'
import { asDriverError } from '../core/errors.ts'
import { engineClient } from '../engine/client.ts'
import { dockerEngine } from '../engine/docker.ts'
import { dockerCommands } from '../engine/docker-commands.ts'
import { realKernel } from '../kernel/real.ts'
import type { Log } from '../log.ts'
import { checkFree } from '../protocol/socket.ts'
import { openConsulStore } from '../store/consul/store.ts'
import { version } from '../version.ts'
import { crashPoints, crashVariable } from './crash-points.ts'
import { startDriver } from './driver.ts'
import { type DaemonOptions, parseDaemonOptions } from './options.ts'
import { findUnderlay, waitForUnderlay } from './underlay.ts'

/** What is still under way then is given up. */
const stopWithinMs = 12_000
const waitForInterfaceMs = 20_000

export async function daemon(args: string[]): Promise<never> {
  const options = parseDaemonOptions(args)
  const log = pino({ level: options.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime })
  process.on('unhandledRejection', (err) => log.error({ err }, 'a defect: nobody waited for this'))
  const { stop } = await start(options, log)
  log.info({ version, host: options.hostName, store: options.kvStore }, 'answering')
  await notify(log, '--ready')
  const signal = await new Promise<string>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT']) process.once(name, () => resolve(name))
  })
  log.info({ signal }, 'stopping; the kernel goes on forwarding')
  await notify(log, 'STOPPING=1')
  setTimeout(() => {
    log.warn({}, 'not everything was answered in time')
    process.exit(1)
  }, stopWithinMs).unref()
  await stop()
  process.exit(0)
}

async function start(options: DaemonOptions, log: Log): Promise<{ stop(): Promise<void> }> {
  const { hostName: host, token, stateDir, tls } = options
  // Before anything is touched: two drivers would undo each other's work.
  await checkFree(options.socket)
  const points = crashPoints(process.env[crashVariable])
  const kernel = realKernel({ folder: options.netnsDir, changed: (what) => points.wrote(`kernel: ${what}`) })
  const find = () => findUnderlay(kernel, options)
  const underlay = await waitForUnderlay(find, log, waitForInterfaceMs)
  const client = engineClient(options.dockerSocket)
  const store = await openConsulStore({
    ...{
      url: options.kvStore,
      host,
      tls,
      log,
      wrote: (what: string) => points.wrote(`store: ${what}`),
      diskPath: `${stateDir}/snapshot.json`,
    },
    ...(token === undefined ? {} : { token }),
  })
  const stopParts = async (): Promise<void> => {
    client.close()
    await Promise.all([store.close(), kernel.close()])
  }
  try {
    const driver = await startDriver({
      ...{ host, store, kernel, underlay, findUnderlay: find, log, version },
      ...{ engine: dockerEngine(client), docker: dockerCommands(client) },
      ...{ pools: options.addressPools, socket: options.socket, controlSocket: options.controlSocket },
      namespaceFolder: options.netnsDir,
      answering: (method) => points.answering(`answer: ${method}`),
      ...{ dnsListen: options.dnsListen, hostsFileLimit: options.hostsFileLimit },
      answerWithinMs: options.answerWithinMs,
      defaultNetwork: options.defaultNetwork,
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

/** Node has no datagram unix sockets; systemd brings the command that has. Nobody asked: nothing is said. */
async function notify(log: Log, message: string): Promise<void> {
  if (process.env.NOTIFY_SOCKET === undefined) return
  await promisify(execFile)('systemd-notify', [message]).catch((error: unknown) => {
    log.warn({ err: asDriverError(error) }, 'systemd could not be told')
  })
}
