/** The driver's calls as requests on its control socket; control-routes.ts answers them. */
import { ask } from '../control/client.ts'
import type { DriverCalls } from './driver-calls.ts'

export function callsOverSocket(controlSocket: string): DriverCalls {
  const get = <T>(path: string): Promise<T> => ask<T>(controlSocket, 'GET', path)
  const post = <T>(path: string, body: object = {}): Promise<T> =>
    ask<T>(controlSocket, 'POST', path, { body })
  const done = async (work: Promise<unknown>): Promise<void> => void (await work)
  return {
    clusterNetworks: () => get('/networks'),
    async waitForNetwork(name, waitMs) {
      const ready = await post<object | null>(`/networks/${encodeURIComponent(name)}/ready`, { waitMs })
      return (ready ?? undefined) as Awaited<ReturnType<DriverCalls['waitForNetwork']>>
    },
    choosePool: async (refused) => (await post<{ pool: string }>('/pools/choose', { refused })).pool,
    services: {
      list: (network) =>
        get(network === undefined ? '/services' : `/services?network=${encodeURIComponent(network)}`),
      find: (name) => get(service(name)),
      publish: (name, { existing = false } = {}) => post('/services', { name, existing }),
      unpublish: (name) => done(ask(controlSocket, 'DELETE', service(name))),
      attach: (name, container) => post(`${service(name)}/attach`, { container }),
      giveUp: (name) => done(post(`${service(name)}/give-up`)),
      finished: (name) => done(post(`${service(name)}/finished`)),
      attached: (name, container) => post(`${service(name)}/attached`, { container }),
      detached: (name) => done(post(`${service(name)}/detached`)),
    },
  }
}

/** A service's name may have a slash in it, as in `a/b`. */
function service(name: string): string {
  return `/services/${encodeURIComponent(name)}`
}
