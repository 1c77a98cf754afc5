/**
 * The routes of the control socket for the docker wrapper, `multihost docker` and `multihost service`.
 *
 * The client process calls the engine, with the user's rights; the driver reads and writes the store. Names
 * in paths are percent-encoded, since a service may be called `a/b`.
 */
import * as z from 'zod'
import { DriverError } from '../core/errors.ts'
import { jsonIn } from '../core/json.ts'
import { type Asked, json, plain, type Route, textWithin } from '../http-app.ts'
import { type DriverCalls, waitForNetworkMs } from './driver-calls.ts'

const publishBody = z.object({ name: z.string(), existing: z.boolean().default(false) })
const container = z.object({ id: z.string(), name: z.string() })
const attachBody = z.object({ container: container.optional() })
const detachBody = z.object({ container: z.string() })
const chooseBody = z.object({ refused: z.array(z.string()).default([]) })
const readyBody = z.object({ waitMs: z.number().int().min(0).max(30_000).default(waitForNetworkMs) })

/** Longer than a command line can be (execve(2)). */
const maxBodyBytes = 16 * 1024 * 1024

/** `script`: a docker command in the words of 2015 as a shell script for the docker wrapper. */
export function dialectRoutes(calls: DriverCalls, script: (words: string[]) => Promise<string>): Route[] {
  return [
    // A form, since a shell can send one: each field is a word.
    [
      'POST',
      '/docker',
      async (asked) => plain(await script(new URLSearchParams(await textOf(asked)).getAll('w'))),
    ],
    ['GET', '/networks', async () => json(await calls.clusterNetworks())],
    [
      'POST',
      '/networks/:name/ready',
      async (asked, name) => {
        const { waitMs } = await bodyOf(asked, readyBody)
        return json(await calls.waitForNetwork(name, waitMs))
      },
    ],
    [
      'POST',
      '/pools/choose',
      async (asked) => json({ pool: await calls.choosePool((await bodyOf(asked, chooseBody)).refused) }),
    ],
    ...serviceRoutes(calls),
  ]
}

function serviceRoutes({ services }: DriverCalls): Route[] {
  const idOf = async (asked: Asked): Promise<string> => (await bodyOf(asked, detachBody)).container
  return [
    ['GET', '/services', async ({ query }) => json(await services.list(query.get('network') ?? undefined))],
    [
      'POST',
      '/services',
      async (asked) => {
        const { name, existing } = await bodyOf(asked, publishBody)
        return json(await services.publish(name, { existing }))
      },
    ],
    ['GET', '/services/:name', async (_, name) => json(await services.find(name))],
    ['DELETE', '/services/:name', async (_, name) => json(await services.unpublish(name))],
    [
      'POST',
      '/services/:name/attach',
      async (asked, name) => json(await services.attach(name, (await bodyOf(asked, attachBody)).container)),
    ],
    ['POST', '/services/:name/give-up', async (_, name) => json(await services.giveUp(name))],
    ['POST', '/services/:name/finished', async (_, name) => json(await services.finished(name))],
    [
      'POST',
      '/services/:name/attached',
      async (asked, name) => json(await services.attached(name, await idOf(asked))),
    ],
    ['POST', '/services/:name/detached', async (_, name) => json(await services.detached(name))],
  ]
}

async function textOf(asked: Asked): Promise<string> {
  const text = await textWithin(asked, maxBodyBytes)
  if (text !== undefined) return text
  throw new DriverError('invalid', `${asked.path}: the request exceeds ${maxBodyBytes / 1024 / 1024} MiB`)
}

async function bodyOf<T>(asked: Asked, schema: z.ZodType<T>): Promise<T> {
  const parsed = schema.safeParse(jsonIn(await textOf(asked)))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new DriverError('invalid', `${asked.path}: ${issue?.path.join('.')}: ${issue?.message}`)
}
