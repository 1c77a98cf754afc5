/**
 * What `multihost service` and the docker wrapper ask of the driver, beyond its status.
 *
 * They talk to the engine themselves, as the user who typed the command; the driver answers from the store and
 * writes to it. Names in paths are percent-encoded, since a service may be called `a/b`.
 */
import { type Context, Hono } from 'hono'
import * as z from 'zod'
import { DriverError } from '../core/errors.ts'
import type { Cidr, HostName, NetworkId } from '../core/records.ts'
import type { Attachment, ServiceVerbs } from '../verbs/service.ts'

export interface DialectParts {
  defaultNetwork: string
  services: ServiceVerbs
  networks(): NetworkView[]
  /** Pools of all networks, also of those in the making. */
  claimed(): Cidr[]
  /** A pool that no network has and this host does not route; none of those refused. */
  choosePool(refused: readonly Cidr[]): Promise<Cidr>
  /** Resolves when the engine here has the cluster's network of that name; undefined when it has not in time. */
  ready(name: string, waitMs: number): Promise<ReadyNetwork | undefined>
  /** Docker's words of 2015 as a script for the docker wrapper. */
  script(words: string[]): Promise<string>
}

export interface NetworkView {
  id: NetworkId
  /** Absent while it is being made. */
  name?: string
  /** Docker's id of it on this host; absent while it is not here yet. */
  localId?: string
  users: { host: HostName; container?: { id: string; name: string } }[]
}

export interface ReadyNetwork {
  id: NetworkId
  localId: string
}

export interface Networks {
  defaultNetwork: string
  networks: NetworkView[]
  claimed: Cidr[]
}

export type { Attachment }

const publishBody = z.object({ name: z.string(), existing: z.boolean().default(false) })
const container = z.object({ id: z.string(), name: z.string() })
const attachBody = z.object({ container: container.optional() })
const detachBody = z.object({ container: z.string() })
const chooseBody = z.object({ refused: z.array(z.string()).default([]) })
const readyBody = z.object({ waitMs: z.number().int().min(0).max(30_000).default(10_000) })

export function dialectApp(parts: DialectParts): Hono {
  const { defaultNetwork, services, networks, claimed, choosePool, ready, script } = parts
  const app = new Hono()
  const name = (c: Context): string => c.req.param('name') ?? ''
  app.get('/networks', (c) =>
    c.json({ defaultNetwork, networks: networks(), claimed: claimed() } satisfies Networks),
  )
  app.post('/networks/:name/ready', async (c) => {
    const { waitMs } = await bodyOf(c, readyBody)
    return c.json((await ready(name(c), waitMs)) ?? null)
  })
  // A form, since a shell can send one: each field a word.
  app.post('/docker', async (c) => {
    const { w = [] } = await c.req.parseBody({ all: true })
    return c.text(await script([w].flat().map(String)))
  })
  app.post('/pools/choose', async (c) => {
    const { refused } = await bodyOf(c, chooseBody)
    return c.json({ pool: await choosePool(refused) })
  })
  app.get('/services', (c) => c.json(services.list(c.req.query('network'))))
  app.get('/services/:name', (c) => c.json(services.find(name(c))))
  app.post('/services', async (c) => {
    const { name, existing } = await bodyOf(c, publishBody)
    return c.json(await services.publish(name, { existing }))
  })
  app.delete('/services/:name', async (c) => c.json((await services.unpublish(name(c))) ?? null))
  app.post('/services/:name/attach', async (c) => {
    return c.json(await services.attach(name(c), (await bodyOf(c, attachBody)).container))
  })
  app.post('/services/:name/give-up', async (c) => c.json((await services.giveUp(name(c))) ?? null))
  app.post('/services/:name/attached', async (c) => {
    return c.json(await services.attached(name(c), (await bodyOf(c, detachBody)).container))
  })
  app.post('/services/:name/detached', async (c) => c.json((await services.detached(name(c))) ?? null))
  return app
}

async function bodyOf<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  const json: unknown = await c.req.json().catch(() => undefined)
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new DriverError('invalid', `${c.req.path}: ${issue?.path.join('.')}: ${issue?.message}`)
}
