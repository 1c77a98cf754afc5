/**
 * The control socket: for `multihost` on this host, for Prometheus, for scripts. JSON both ways, errors as
 * `{"error": …}` with the sentence that a person needs.
 */
import { type Context, Hono } from 'hono'
import { asDriverError, DriverError } from '../core/errors.ts'
import type { HostName } from '../core/records.ts'
import type { TunnelStatus } from '../core/tunnels/peers.ts'
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
  dialect: Hono = new Hono(),
): Hono {
  const app = new Hono()
  app.get('/status', async (c) => c.json(await status()))
  app.get('/metrics', async (c) =>
    c.text(await metrics(), 200, { 'content-type': 'text/plain; version=0.0.4' }),
  )
  app.get('/check', async (c) => c.json(await check({ ...checkOptions(c), repair: false })))
  app.post('/check', async (c) => c.json(await check({ ...checkOptions(c), repair: true })))
  app.get('/tunnels', async (c) => c.json(await tunnels()))
  app.delete('/hosts/:name', async (c) => c.json(await evict(c.req.param('name'))))
  app.route('/', dialect)
  app.notFound((c) => {
    const error = new DriverError('not-found', `there is no ${c.req.method} ${c.req.path} here`)
    return c.json({ error: error.line, code: error.code }, 404)
  })
  app.onError((thrown, c) => {
    const error = asDriverError(thrown)
    return c.json({ error: error.line, code: error.code }, error.code === 'internal' ? 500 : 409)
  })
  return app
}

/** `?within=SECONDS` */
function checkOptions(c: Context): { withinMs: number } {
  const seconds = c.req.query('within') ?? '5'
  if (/^\d{1,2}(\.\d{1,3})?$/.test(seconds)) return { withinMs: Number(seconds) * 1000 }
  throw new DriverError('invalid', `within=${seconds} is not allowed`, { hint: 'seconds, like 5 or 0.5' })
}
