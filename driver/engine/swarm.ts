/**
 * Whether the engine is in swarm mode, asked so that it costs about a millisecond.
 *
 * Engines from 23 on tell it in a header of `_ping`; older ones are asked for their `info`. Only Node's own modules:
 * the docker wrapper asks this too, and must start fast.
 */
import { request } from 'node:http'
import { DriverError } from '../core/errors.ts'

export async function inSwarmMode(socketPath: string): Promise<boolean> {
  const { headers } = await get(socketPath, '/_ping')
  const told = headers.swarm
  if (typeof told === 'string') return !told.startsWith('inactive')
  const info = JSON.parse((await get(socketPath, '/info')).text) as { Swarm?: { LocalNodeState?: string } }
  return (info.Swarm?.LocalNodeState || 'inactive') !== 'inactive'
}

interface Answer {
  headers: Record<string, string | string[] | undefined>
  text: string
}

function get(socketPath: string, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => reject(silent(socketPath, cause))
    const call = request({ socketPath, path, timeout: 5000 }, async (response) => {
      try {
        let text = ''
        for await (const chunk of response) text += chunk
        resolve({ headers: response.headers, text })
      } catch (cause) {
        fail(cause as Error)
      }
    })
    call.on('timeout', () => call.destroy(new Error('no answer within 5 s')))
    call.on('error', fail)
    call.end()
  })
}

function silent(socketPath: string, cause: Error): DriverError {
  return new DriverError('unavailable', `the engine on ${socketPath} does not answer: ${cause.message}`, {
    cause,
  })
}
