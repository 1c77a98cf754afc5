/**
 * HTTP to dockerd over its socket: one call with a time limit, or a stream of lines.
 *
 * The API version is the engine's own, at most the newest one that this code was written against. Engines
 * from 20.10 (1.41) on answer in it, and so do engines that dropped older versions. Only modules of Node's
 * are imported, so that commands start fast: an answer's schema is an argument.
 */
import { Agent } from 'node:http'
import { askedOnce } from '../core/asked-once.ts'
import { DriverError, type ErrorCode, messageOf } from '../core/errors.ts'
import { jsonIn } from '../core/json.ts'
import { exchange, type Method, open, textOf, type UnixAnswer } from '../unix-http.ts'

export interface EngineClient {
  /** Throws `invalid`, `in-use`, `not-found` or `taken` as the engine says, else `unavailable`. */
  call<T>(method: Method, path: string, schema: Schema<T>, options?: CallOptions): Promise<T>
  /** A call whose answer has no content of interest. */
  send(method: Method, path: string, options?: CallOptions): Promise<void>
  /** Lines as they arrive. Throws `unavailable` when dockerd goes away. */
  lines(path: string, signal: AbortSignal): AsyncIterable<string>
  /** Asks the engine each time. */
  ping(): Promise<Ping>
  /** Ends the calls that are under way; they and all later ones throw `unavailable`. */
  close(): void
}

/** Makes a value of an answer's JSON, or throws. A schema of zod's is one. */
export interface Schema<T> {
  parse(json: unknown): T
}

export interface CallOptions {
  body?: object
  timeoutMs?: number
}

export interface Ping {
  /** Such as `1.51`. */
  apiVersion: string
  /** `inactive`, `active/manager`, …; undefined for engines before 23. */
  swarm: string | undefined
}

const newestApi = '1.51'
const usualMs = 10_000

export function engineClient(socketPath: string): EngineClient {
  const agent = new Agent()
  let isClosed = false

  const ping = () => pingEngine(socketPath, agent)
  const version = askedOnce(async () => older((await ping()).apiVersion, newestApi))
  const versioned = async (path: string): Promise<string> => {
    if (isClosed) throw new Error('this process is about to end')
    return `/v${await version.get()}${path}`
  }
  const exchangeVersioned = async (method: Method, path: string, options: CallOptions = {}) => {
    const { body, timeoutMs = usualMs } = options
    const answer = await exchange(socketPath, { agent, method, path: await versioned(path), body, timeoutMs })
    if (answer.status >= 300) throw refusal(answer)
    return answer
  }
  /** An engine that goes away may come back in another version: it was upgraded, or set back. */
  const failed = (error: unknown, what: string): DriverError => {
    if (!(error instanceof DriverError)) version.forget()
    return unavailable(error, what, socketPath)
  }
  /** Names the call when dockerd does not answer it. */
  const named = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw failed(error, what)
    }
  }
  return {
    ping,
    call: (method, path, schema, options) =>
      named(`${method} ${path}`, async () => {
        return schema.parse(JSON.parse((await exchangeVersioned(method, path, options)).text))
      }),
    send: (method, path, options) =>
      named(`${method} ${path}`, async () => {
        await exchangeVersioned(method, path, options)
      }),
    async *lines(path, signal) {
      try {
        const answer = await open(socketPath, { agent, method: 'GET', path: await versioned(path), signal })
        const status = answer.statusCode ?? 500
        if (status >= 300) throw refusal({ status, headers: answer.headers, text: await textOf(answer) })
        yield* linesOf(answer)
      } catch (error) {
        throw failed(error, `GET ${path}`)
      }
      throw failed(new Error('the stream ended'), `GET ${path}`)
    },
    close() {
      isClosed = true
      agent.destroy()
    },
  }
}

async function pingEngine(socketPath: string, agent: Agent): Promise<Ping> {
  const request = { agent, method: 'GET', path: '/_ping', timeoutMs: usualMs } as const
  const answer = await exchange(socketPath, request).catch((error: unknown) => {
    throw unavailable(error, 'GET /_ping', socketPath)
  })
  // Of a proxy, while the engine is away.
  if (answer.status >= 300) throw refusal(answer)
  const { headers } = answer
  const swarm = typeof headers.swarm === 'string' ? headers.swarm : undefined
  return { apiVersion: String(headers['api-version'] ?? newestApi), swarm }
}

function older(a: string, b: string): string {
  return minor(a) < minor(b) ? a : b
}

function minor(version: string): number {
  return Number(version.split('.')[1] ?? 0)
}

async function* linesOf(chunks: AsyncIterable<string>): AsyncIterable<string> {
  let rest = ''
  for await (const chunk of chunks) {
    const parts = (rest + chunk).split('\n')
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

function refusal({ status, text }: UnixAnswer): DriverError {
  return new DriverError(codes.get(status) ?? 'unavailable', `the engine: ${messageIn(text)}`)
}

/** The engine says what is wrong in one field. A proxy or a panic answers with text that is not JSON. */
function messageIn(text: string): string {
  const { message } = Object(jsonIn(text)) as { message?: unknown }
  return typeof message === 'string' ? message.trim() : text.slice(0, 500).trim()
}

function unavailable(error: unknown, what: string, socketPath: string): DriverError {
  if (error instanceof DriverError) return error
  return new DriverError(
    'unavailable',
    `the engine on ${socketPath} does not answer ${what}: ${messageOf(error)}`,
    { cause: error },
  )
}
