/**
 * The control socket: for `multihost` on this host, for Prometheus, for scripts. JSON both ways, errors as
 * `{"error": …}` with the sentence that a person needs.
 */
import { asDriverError, DriverError } from '../core/errors.ts'
import type { HostName } from '../core/records.ts'
import type { TunnelStatus } from '../core/tunnels/peers.ts'
import { type App, type Asked, json, plain, type Route, routed } from '../http-app.ts'
import type { CheckOptions, CheckResult } from './check.ts'
import type { Status } from './status.ts'

export interface ControlParts {
  status(): Promise<Status>
  metrics(): Promise<string>
  check(options: CheckOptions): Promise<CheckResult>
  /** Asks every host of the cluster through the tunnel. */
  tunnels(): Promise<TunnelStatus[]>
  /** Takes a host that is gone for good out of the store. */
  evict(host: HostName): Promise<Evicted>
}

export interface Evicted {
  endpoints: number
  addresses: number
}

/** `dialect`: further routes. */
export function controlApp(
  { status, metrics, check, tunnels, evict }: ControlParts,
  dialect: readonly Route[],
): App {
  return controlRouted([
    ['GET', '/status', async () => json(await status())],
    ['GET', '/metrics', async () => plain(await metrics(), 'text/plain; version=0.0.4')],
    ['GET', '/check', async (asked) => json(await check({ ...checkOptions(asked), repair: false }))],
    ['POST', '/check', async (asked) => json(await check({ ...checkOptions(asked), repair: true }))],
    ['GET', '/tunnels', async () => json(await tunnels())],
    ['DELETE', '/hosts/:name', async (_, name) => json(await evict(name))],
    ...dialect,
  ])
}

export function controlRouted(routes: readonly Route[]): App {
  return routed(
    routes,
    ({ method, path }) => {
      const error = new DriverError('not-found', `there is no ${method} ${path} here`)
      return json({ error: error.line, code: error.code }, 404)
    },
    (thrown) => {
      const error = asDriverError(thrown)
      return json({ error: error.line, code: error.code }, error.code === 'internal' ? 500 : 409)
    },
  )
}

/** `?within=SECONDS` */
function checkOptions({ query }: Asked): { withinMs: number } {
  const seconds = query.get('within') ?? '5'
  if (/^\d{1,2}(\.\d{1,3})?$/.test(seconds)) return { withinMs: Number(seconds) * 1000 }
  throw new DriverError('invalid', `within=${seconds} is not allowed`, { hint: 'seconds, like 5 or 0.5' })
}
