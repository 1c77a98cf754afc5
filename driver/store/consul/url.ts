/**
 * The address of the store: `consul://HOST:PORT[/PREFIX]`, as in `--kv-store` of 2015; `http://` and
 * `https://` too.
 */
import { DriverError } from '../../core/errors.ts'

export interface StoreAddress {
  secure: boolean
  /** IPv6 in brackets. */
  host: string
  port: number
  /** Without leading and trailing slashes. */
  prefix: string
}

export const defaultPrefix = 'multihost'

/** Throws `invalid`. */
export function parseStoreUrl(text: string, prefix?: string): StoreAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const scheme = url?.protocol ?? ''
  if (url === undefined || url.hostname === '' || !['consul:', 'http:', 'https:'].includes(scheme)) {
    throw new DriverError('invalid', `'${text}' is not an address of a store`, {
      hint: 'write consul://HOST:PORT, for example consul://192.168.33.10:8500',
    })
  }
  if (url.hostname.includes(',')) {
    throw new DriverError('invalid', `'${text}' names several addresses, and the driver asks one`, {
      hint: 'name one server, or what stands in front of all: a name, a load balancer, a Consul agent',
    })
  }
  const secure = scheme === 'https:'
  const port = url.port === '' ? defaultPort(scheme) : Number(url.port)
  return { secure, host: url.hostname, port, prefix: trim(prefix ?? url.pathname) || defaultPrefix }
}

/** For `status` and errors. */
export function showAddress({ secure, host, port, prefix }: StoreAddress): string {
  return `${secure ? 'https' : 'consul'}://${host}:${port}/${prefix}`
}

function defaultPort(scheme: string): number {
  if (scheme === 'consul:') return 8500
  return scheme === 'https:' ? 443 : 80
}

function trim(path: string): string {
  return path.replace(/^\/+|\/+$/g, '')
}
