/**
 * One question to the driver of this host. The answer is believed to be of its type: both are of one program.
 */
import { request } from 'node:http'
import { DriverError, type ErrorCode } from '../core/errors.ts'

export function ask<T>(
  socketPath: string,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: object,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const call = request({ socketPath, method, path, headers, timeout: 30_000 }, async (response) => {
      let text = ''
      for await (const chunk of response) text += chunk
      const answer = JSON.parse(text) as T & { error?: string; code?: ErrorCode }
      if (response.statusCode === 200) resolve(answer)
      else reject(new DriverError(answer.code ?? 'internal', answer.error ?? text))
    })
    call.on('timeout', () => call.destroy(new Error('no answer within 30 s')))
    call.on('error', (cause) => reject(noDriver(socketPath, cause)))
    call.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

function noDriver(socketPath: string, cause: NodeJS.ErrnoException): DriverError {
  if (cause.code === 'EACCES') {
    return new DriverError('unavailable', `you may not ask the driver on ${socketPath}`, {
      hint: 'try it with sudo',
    })
  }
  return new DriverError('unavailable', `no driver answers on ${socketPath}: ${cause.message}`, {
    hint: 'systemctl status multihost, journalctl -u multihost',
    cause,
  })
}
