/**
 * What the sockets answer while this host takes part in nothing: the machine is not ready, or another host
 * has its name or its VTEP.
 *
 * Docker goes on with its own cleanup after every answer to a Leave, a Delete of an endpoint or a Release, so
 * these succeed. Their records go later, when the endpoints loop compares the store with the engine.
 * Everything else is refused with the reason.
 */
import type { WaitingStatus } from '../control/status.ts'
import { DriverError } from '../core/errors.ts'
import { type App, json } from '../http-app.ts'
import { type Call, pluginApp } from '../protocol/app.ts'
import type { Verbs } from '../verbs/verbs.ts'
import type { Apps } from './sockets.ts'

export interface WaitingOptions {
  version: string
  startedAt: string
  reason: DriverError
  onCall(call: Call): void
}

export function waitingApps({ version, startedAt, reason, onCall }: WaitingOptions): Apps {
  const status: WaitingStatus = { version, startedAt, waiting: reason.line, problems: [reason.line] }
  const control: App = async ({ method, path }) =>
    method === 'GET' && path === '/status'
      ? json(status)
      : json({ error: reason.line, code: reason.code }, 503)
  return { plugin: pluginApp({ verbs: refusing(reason), onCall }), control }
}

export function refusing(reason: DriverError): Verbs {
  const refuse = async (): Promise<never> => {
    throw new DriverError('unavailable', reason.message, {
      hint: reason.hint,
      cause: reason,
    })
  }
  const done = async (): Promise<void> => undefined
  return {
    requestPool: refuse,
    requestAddress: refuse,
    createNetwork: refuse,
    deleteNetwork: refuse,
    createEndpoint: refuse,
    join: refuse,
    releasePool: done,
    releaseAddress: done,
    deleteEndpoint: done,
    leave: done,
  }
}
