/**
 * Docker's plugin protocol over HTTP: every request is answered in time, and every error in both of Docker's
 * fields.
 *
 * Network drivers answer `Err`, IPAM drivers `Error`, and the engine shows the body of a non-200 answer to
 * the person who typed the command: so both fields are always sent. The engine has no timeout of its own: a
 * handler that never answers would block dockerd. Source: moby v28.5.2, pkg/plugins/client.go.
 */
import { ZodError } from 'zod'
import { asDriverError, DriverError, type ErrorCode } from '../core/errors.ts'
import { type Answer, type App, type Route as HttpRoute, json, routed, textWithin } from '../http-app.ts'
import type { Verbs } from '../verbs/verbs.ts'
import { answerWithinS } from './answer-timeout.ts'
import { type Route, routes } from './routes.ts'

export interface Call {
  method: string
  outcome: 'ok' | ErrorCode
  durationMs: number
  /** The error, for the log. */
  error?: DriverError
}

export interface AppOptions {
  verbs: Verbs
  /** Time limit of a call. */
  limitMs?: number
  onCall?(call: Call): void
}

/** Docker sends 109 bytes for each published port: 65,535 of TCP and as many of UDP are 14 MB. */
const maxBodyBytes = 16 * 1024 * 1024

export function pluginApp({ verbs, limitMs = 1000 * answerWithinS.usual, onCall }: AppOptions): App {
  const all = routes(verbs).map((route): HttpRoute => {
    const handler: HttpRoute[2] = async (asked) => {
      const start = performance.now()
      const outcome = await attempt(route, () => textWithin(asked, maxBodyBytes), limitMs)
      const durationMs = performance.now() - start
      if (!(outcome instanceof DriverError)) {
        onCall?.({ method: route.method, outcome: 'ok', durationMs })
        return json(outcome)
      }
      onCall?.({ method: route.method, outcome: outcome.code, durationMs, error: outcome })
      return refuse(outcome instanceof TooLarge ? 413 : statusOf[outcome.code], outcome)
    }
    return ['POST', `/${route.method}`, handler]
  })
  return routed(
    all,
    ({ method, path }) => refuse(404, unknownPath(method, path)),
    (error) => refuse(500, asDriverError(error)),
  )
}

async function attempt(
  route: Route,
  text: () => Promise<string | undefined>,
  limitMs: number,
): Promise<object | DriverError> {
  const giveUp = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = late(route.method, limitMs)
      giveUp.abort(error)
      reject(error)
    }, limitMs)
  })
  try {
    const work = async () =>
      route.run(route.bodiless ? undefined : parse(route.method, await text()), giveUp.signal)
    return await Promise.race([work(), limit])
  } catch (error) {
    return error instanceof ZodError ? schemaError(route.method, error) : asDriverError(error)
  } finally {
    clearTimeout(timer)
  }
}

function parse(method: string, text: string | undefined): unknown {
  if (text === undefined) throw new TooLarge()
  if (text.trim() === '') throw bodyMissing(method)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new DriverError('invalid', `the request is not JSON: ${(cause as Error).message}`, { cause })
  }
}

/** The engine does not send a body again that was read once when the connection breaks. */
function bodyMissing(method: string): DriverError {
  const why = 'multihost was restarted before it answered Docker'
  return new DriverError('invalid', `${why}, and ${method} was not done`, { hint: 'try again' })
}

/** 404 is only for unknown paths: the engine takes it for a method that the driver does not have. */
const statusOf: Record<ErrorCode, number> = {
  invalid: 400,
  'not-found': 400,
  taken: 409,
  exhausted: 409,
  'in-use': 409,
  conflict: 409,
  unavailable: 503,
  corrupt: 500,
  kernel: 500,
  internal: 500,
}

function refuse(status: number, error: DriverError): Answer {
  return json({ Err: error.line, Error: error.line }, status)
}

function schemaError(method: string, error: ZodError): DriverError {
  const [issue] = error.issues
  const where = issue === undefined || issue.path.length === 0 ? 'the body' : issue.path.join('.')
  return new DriverError('invalid', `${method}: ${where}: ${issue?.message ?? 'not as expected'}`, {
    cause: error,
  })
}

function late(method: string, limitMs: number): DriverError {
  return new DriverError('unavailable', `${method} was not finished within ${limitMs / 1000} s`, {
    hint: "'multihost status' on this host may show the reason",
  })
}

class TooLarge extends DriverError {
  constructor() {
    super('invalid', `the request exceeds ${maxBodyBytes / 1024 / 1024} MiB`)
  }
}

function unknownPath(method: string, path: string): DriverError {
  return new DriverError('not-found', `unknown request: ${method} ${path.slice(0, 200)}`)
}
