/**
 * The control socket: for `multihost` on this host, for Prometheus, for scripts. JSON both ways, errors as
 * `{"error": …}` with the sentence that a person needs.
 */
import { Hono } from 'hono'
import { asDriverError, DriverError } from '../core/errors.ts'
import type { HostName } from '../core/model.ts'
import type { Status } from './status.ts'

export interface ControlParts {
  status(): Promise<Status>
  metrics(): Promise<string>
  /** Takes a host that is gone for good out of the store. */
  evict(host: HostName): Promise<Evicted>
}

export interface Evicted {
  endpoints: number
  addresses: number
}

/** `dialect`: further routes. */
export function controlApp({ status, metrics, evict }: ControlParts, dialect: Hono = new Hono()): Hono {
  const app = new Hono()
  app.get('/status', async (c) => c.json(await status()))
  app.get('/metrics', async (c) =>
    c.text(await metrics(), 200, { 'content-type': 'text/plain; version=0.0.4' }),
  )
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
