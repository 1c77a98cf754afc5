/**
 * HTTP to dockerd over its socket: one call with a bound, or a stream of lines.
 *
 * The API's version is the engine's own, at most the newest one that this code was read against: engines from
 * 20.10 (1.41) on understand it, and those that have dropped old versions do too.
 */
import { Agent, request } from 'undici'
import type { z } from 'zod'
import { DriverError, type ErrorCode } from '../core/errors.ts'
import { errorSchema } from './schemas.ts'

export interface EngineClient {
  call<T>(method: Method, path: string, answer: z.ZodType<T>, options?: CallOptions): Promise<T>
  /** The same, with nothing of interest in the answer. */
  send(method: Method, path: string, options?: CallOptions): Promise<void>
  /** Lines as they come; ends with `unavailable` when dockerd goes away. */
  lines(path: string, signal: AbortSignal): AsyncIterable<string>
  close(): Promise<void>
}

export interface CallOptions {
  body?: object
  timeoutMs?: number
}

type Method = 'GET' | 'POST' | 'DELETE'
type Answer = Awaited<ReturnType<typeof request>>

const newestApi = '1.51'

export function engineClient(socketPath: string): EngineClient {
  const dispatcher = new Agent({ connect: { socketPath }, headersTimeout: 0, bodyTimeout: 0 })
  let version: Promise<string> | undefined
  const base = 'http://docker'

  const open = async (method: Method, path: string, signal: AbortSignal, body?: object): Promise<Answer> => {
    version ??= apiVersion(dispatcher, base, signal).catch((error: unknown) => {
      version = undefined
      throw error
    })
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const payload = body === undefined ? null : JSON.stringify(body)
    const url = `${base}/v${await version}${path}`
    const answer = await request(url, { method, dispatcher, signal, headers, body: payload })
    if (answer.statusCode >= 300) throw await refusal(answer)
    return answer
  }
  const within = async <T>(
    method: Method,
    path: string,
    options: CallOptions,
    use: (a: Answer) => Promise<T>,
  ) => {
    const { body, timeoutMs = 10_000 } = options
    try {
      return await use(await open(method, path, AbortSignal.timeout(timeoutMs), body))
    } catch (error) {
      throw asUnavailable(error, `${method} ${path}`, socketPath)
    }
  }

  return {
    call: (method, path, schema, options = {}) =>
      within(method, path, options, async ({ body }) => schema.parse(await body.json())),
    send: (method, path, options = {}) => within(method, path, options, ({ body }) => body.dump()),
    async *lines(path, signal) {
      try {
        yield* linesOf((await open('GET', path, signal)).body)
      } catch (error) {
        throw asUnavailable(error, `GET ${path}`, socketPath)
      }
      throw asUnavailable(new Error('the stream ended'), `GET ${path}`, socketPath)
    },
    close: () => {
      version = undefined
      return dispatcher.destroy()
    },
  }
}

async function apiVersion(dispatcher: Agent, base: string, signal: AbortSignal): Promise<string> {
  const { headers, body } = await request(`${base}/_ping`, { dispatcher, signal })
  await body.dump()
  const offered = String(headers['api-version'] ?? newestApi)
  return minor(offered) < minor(newestApi) ? offered : newestApi
}

function minor(version: string): number {
  return Number(version.split('.')[1] ?? 0)
}

async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncIterable<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = parts.pop() ?? ''
    yield* parts.filter((line) => line.trim() !== '')
  }
}

const codes = new Map<number, ErrorCode>([
  [400, 'invalid'],
  [403, 'in-use'],
  [404, 'not-found'],
  [409, 'taken'],
])

async function refusal({ statusCode, body }: Answer): Promise<DriverError> {
  const text = await body.text()
  let message = text.slice(0, 500)
  try {
    message = errorSchema.parse(JSON.parse(text)).message
  } catch {
    // Not from dockerd itself (a proxy, a panic): the text is what there is.
  }
  return new DriverError(codes.get(statusCode) ?? 'unavailable', `the engine: ${message}`)
}

function asUnavailable(error: unknown, what: string, socketPath: string): DriverError {
  if (error instanceof DriverError) return error
  const why = error instanceof Error ? error.message : String(error)
  return new DriverError('unavailable', `the engine on ${socketPath} does not answer ${what}: ${why}`, {
    cause: error,
  })
}
