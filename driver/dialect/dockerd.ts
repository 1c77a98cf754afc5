/**
 * The few calls of dockerd's API that commands make, as the user who types them. Only Node's own modules, since
 * a command must start fast.
 */
import { request } from 'node:http'
import { DriverError, type ErrorCode } from '../core/errors.ts'

export interface Dockerd {
  /** Throws `not-found`. */
  container(ref: string): Promise<EngineContainer>
  network(ref: string): Promise<EngineNetwork | undefined>
  networks(filters: Record<string, string[]>): Promise<EngineNetwork[]>
  /** With the body of the engine's call; the id. Throws `taken` for a name that the engine has already. */
  createNetwork(body: object): Promise<string>
  removeNetwork(ref: string): Promise<void>
  connect(network: string, container: string, ip?: { v4?: string; v6?: string }): Promise<void>
  disconnect(network: string, container: string): Promise<void>
}

export interface EngineContainer {
  id: string
  name: string
  /** Names of networks. */
  networks: string[]
}

export interface EngineNetwork {
  Id: string
  Name: string
  Driver: string
  Scope: string
}

type Method = 'GET' | 'POST' | 'DELETE'

export function dockerd(socketPath: string): Dockerd {
  const call = <T>(method: Method, path: string, body?: object): Promise<T> =>
    ask<T>(socketPath, method, path, body)
  const esc = encodeURIComponent
  return {
    async container(ref) {
      type Answer = { Id: string; Name: string; NetworkSettings: { Networks?: Record<string, object> } }
      const { Id, Name, NetworkSettings } = await call<Answer>('GET', `/containers/${esc(ref)}/json`)
      return {
        id: Id,
        name: Name.replace(/^\//, ''),
        networks: Object.keys(NetworkSettings.Networks ?? {}),
      }
    },
    network: (ref) =>
      call<EngineNetwork>('GET', `/networks/${esc(ref)}`).catch((error: unknown) => {
        if (error instanceof DriverError && error.code === 'not-found') return undefined
        throw error
      }),
    networks: (filters) => call('GET', `/networks?filters=${esc(JSON.stringify(filters))}`),
    createNetwork: async (body) => (await call<{ Id: string }>('POST', '/networks/create', body)).Id,
    removeNetwork: (ref) => call('DELETE', `/networks/${esc(ref)}`),
    connect(network, container, { v4, v6 } = {}) {
      const IPAMConfig = {
        ...(v4 === undefined ? {} : { IPv4Address: v4 }),
        ...(v6 === undefined ? {} : { IPv6Address: v6 }),
      }
      const body = { Container: container, EndpointConfig: { IPAMConfig } }
      return call('POST', `/networks/${esc(network)}/connect`, body)
    },
    disconnect: (network, container) =>
      call('POST', `/networks/${esc(network)}/disconnect`, { Container: container }),
  }
}

const codes: Record<number, ErrorCode> = { 400: 'invalid', 403: 'in-use', 404: 'not-found', 409: 'taken' }

function ask<T>(socketPath: string, method: Method, path: string, body?: object): Promise<T> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const call = request({ socketPath, method, path, headers, timeout: 60_000 }, async (response) => {
      let text = ''
      for await (const chunk of response) text += chunk
      const { statusCode = 500 } = response
      if (statusCode < 300) return resolve(parse(text) as T)
      const { message = text } = (parse(text) ?? {}) as { message?: string }
      reject(new DriverError(codes[statusCode] ?? 'unavailable', `the engine: ${message.trim()}`))
    })
    call.on('timeout', () => call.destroy(new Error('no answer within 60 s')))
    call.on('error', (cause) => {
      const message = `the engine on ${socketPath} does not answer: ${cause.message}`
      reject(new DriverError('unavailable', message, { cause }))
    })
    call.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

/** Undefined for what is not JSON: nothing, or a proxy's words. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
