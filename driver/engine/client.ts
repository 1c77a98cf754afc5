/**
 * HTTP to dockerd over its socket: one call with a bound, or a stream of lines.
 *
 * The API's version is the engine's own, at most the newest one that this code was read against: engines from
 * 20.10 (1.41) on understand it, and those that have dropped old versions do too.
 */
import { Agent, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
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

const newestApi = '1.51'

export function engineClient(socketPath: string): EngineClient {
  const agent = new Agent()
  let version: Promise<string> | undefined

  const ask = (method: Method, path: string, signal: AbortSignal, body?: object): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json' }
      const call = request({ socketPath, agent, method, path, headers, signal }, resolve)
      call.on('error', reject)
      call.end(body === undefined ? undefined : JSON.stringify(body))
    })
  const open = async (method: Method, path: string, signal: AbortSignal, body?: object) => {
    version ??= ask('GET', '/_ping', signal)
      .then(apiVersion)
      .catch((error: unknown) => {
        version = undefined
        throw error
      })
    const answer = await ask(method, `/v${await version}${path}`, signal, body)
    if ((answer.statusCode ?? 500) >= 300) throw await refusal(answer)
    return answer
  }
  const within = async <T>(method: Method, path: string, options: CallOptions, use: (text: string) => T) => {
    const { body, timeoutMs = 10_000 } = options
    const signal = AbortSignal.timeout(timeoutMs)
    try {
      return use(await text(await open(method, path, signal, body)))
    } catch (error) {
      throw asUnavailable(signal.aborted ? signal.reason : error, `${method} ${path}`, socketPath)
    }
  }

  return {
    call: (method, path, schema, options = {}) =>
      within(method, path, options, (json) => schema.parse(JSON.parse(json))),
    send: (method, path, options = {}) => within(method, path, options, () => undefined),
    async *lines(path, signal) {
      try {
        yield* linesOf(await open('GET', path, signal))
      } catch (error) {
        throw asUnavailable(error, `GET ${path}`, socketPath)
      }
      throw asUnavailable(new Error('the stream ended'), `GET ${path}`, socketPath)
    },
    async close() {
      version = undefined
      agent.destroy()
    },
  }
}

async function apiVersion(answer: IncomingMessage): Promise<string> {
  await text(answer)
  const offered = String(answer.headers['api-version'] ?? newestApi)
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

async function refusal(answer: IncomingMessage): Promise<DriverError> {
  const whole = await text(answer)
  let message = whole.slice(0, 500)
  try {
    message = errorSchema.parse(JSON.parse(whole)).message
  } catch {
    // Not from dockerd itself (a proxy, a panic): the text is what there is.
  }
  return new DriverError(codes.get(answer.statusCode ?? 500) ?? 'unavailable', `the engine: ${message}`)
}

function asUnavailable(error: unknown, what: string, socketPath: string): DriverError {
  if (error instanceof DriverError) return error
  const why = error instanceof Error ? error.message : String(error)
  return new DriverError('unavailable', `the engine on ${socketPath} does not answer ${what}: ${why}`, {
    cause: error,
  })
}
