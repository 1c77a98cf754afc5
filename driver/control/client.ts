/**
 * Asks the driver of this host over its control socket. The answer's type is not checked: both ends are one
 * program.
 */
import { DriverError, type ErrorCode } from '../core/errors.ts'
import { exchange, type Method } from '../unix-http.ts'

/** For a question that the driver answers by what it knows, or with one of Docker's or Consul's answers. */
export const usualWithinMs = 30_000

interface Question {
  body?: object
  /** For work that takes longer. */
  withinMs?: number
}

/** Throws the driver's own error, or `unavailable`. */
export async function ask<T>(
  socketPath: string,
  method: Method,
  path: string,
  { body, withinMs = usualWithinMs }: Question = {},
): Promise<T> {
  const request = { method, path, body, timeoutMs: withinMs }
  const answer = await exchange(socketPath, request).catch((cause: unknown) => {
    throw noDriver(socketPath, cause as NodeJS.ErrnoException)
  })
  const json = JSON.parse(answer.text) as T & { error?: string; code?: ErrorCode }
  if (answer.status === 200) return json
  throw new DriverError(json.code ?? 'internal', json.error ?? answer.text)
}

function noDriver(socketPath: string, cause: NodeJS.ErrnoException): DriverError {
  if (cause.code === 'EACCES') {
    return new DriverError('unavailable', `you may not use the driver's socket ${socketPath}`, {
      hint: "use sudo, or join the group of Docker's socket, mostly docker",
      cause,
    })
  }
  if (cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED') {
    return new DriverError('unavailable', `no driver answers on ${socketPath}: it is not running`, {
      hint: 'a host that is no member yet: multihost join consul://HOST:8500; a member: systemctl start multihost, journalctl -u multihost',
      cause,
    })
  }
  return new DriverError('unavailable', `no driver answers on ${socketPath}: ${cause.message}`, {
    hint: 'see: systemctl status multihost, journalctl -u multihost',
    cause,
  })
}
