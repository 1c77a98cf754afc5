/**
 * The routes of the control socket for the docker wrapper, `multihost docker` and `multihost service`.
 *
 * The client process calls the engine, with the user's rights; the driver reads and writes the store. Names
 * in paths are percent-encoded, since a service may be called `a/b`.
 */
import { type Context, Hono } from 'hono'
import * as z from 'zod'
import { DriverError } from '../core/errors.ts'
import { type DriverCalls, waitForNetworkMs } from './driver-calls.ts'

const publishBody = z.object({ name: z.string(), existing: z.boolean().default(false) })
const container = z.object({ id: z.string(), name: z.string() })
const attachBody = z.object({ container: container.optional() })
const detachBody = z.object({ container: z.string() })
const chooseBody = z.object({ refused: z.array(z.string()).default([]) })
const readyBody = z.object({ waitMs: z.number().int().min(0).max(30_000).default(waitForNetworkMs) })

/** `script`: a docker command in the words of 2015 as a shell script for the docker wrapper. */
export function dialectRoutes(calls: DriverCalls, script: (words: string[]) => Promise<string>): Hono {
  const app = new Hono()
  // A form, since a shell can send one: each field is a word.
  app.post('/docker', async (c) => {
    const { w = [] } = await c.req.parseBody({ all: true })
    return c.text(await script([w].flat().map(String)))
  })
  app.get('/networks', async (c) => c.json(await calls.clusterNetworks()))
  app.post('/networks/:name/ready', async (c) => {
    const { waitMs } = await bodyOf(c, readyBody)
    return c.json((await calls.waitForNetwork(nameIn(c), waitMs)) ?? null)
  })
  app.post('/pools/choose', async (c) => {
    const { refused } = await bodyOf(c, chooseBody)
    return c.json({ pool: await calls.choosePool(refused) })
  })
  app.route('/services', serviceRoutes(calls))
  return app
}

function serviceRoutes({ services }: DriverCalls): Hono {
  const app = new Hono()
  app.get('/', async (c) => c.json(await services.list(c.req.query('network'))))
  app.post('/', async (c) => {
    const { name, existing } = await bodyOf(c, publishBody)
    return c.json(await services.publish(name, { existing }))
  })
  app.get('/:name', async (c) => c.json(await services.find(nameIn(c))))
  app.delete('/:name', async (c) => c.json((await services.unpublish(nameIn(c))) ?? null))
  app.post('/:name/attach', async (c) => {
    return c.json(await services.attach(nameIn(c), (await bodyOf(c, attachBody)).container))
  })
  app.post('/:name/give-up', async (c) => c.json((await services.giveUp(nameIn(c))) ?? null))
  app.post('/:name/finished', async (c) => c.json((await services.finished(nameIn(c))) ?? null))
  app.post('/:name/attached', async (c) => {
    return c.json(await services.attached(nameIn(c), (await bodyOf(c, detachBody)).container))
  })
  app.post('/:name/detached', async (c) => c.json((await services.detached(nameIn(c))) ?? null))
  return app
}

function nameIn(c: Context): string {
  return c.req.param('name') ?? ''
}

async function bodyOf<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  const json: unknown = await c.req.json().catch(() => undefined)
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new DriverError('invalid', `${c.req.path}: ${issue?.path.join('.')}: ${issue?.message}`)
}
