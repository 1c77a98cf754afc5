/**
 * The address of the store: `consul://HOST:PORT[,HOST:PORT…][/PREFIX]`, as in `--kv-store` of 2015; `http://`
 * and `https://` too.
 */
import { isDeepStrictEqual } from 'node:util'
import { DriverError } from '../../core/errors.ts'

export interface StoreAddress {
  secure: boolean
  /** Servers of one cluster, or agents; at least one. */
  servers: readonly Server[]
  /** Without leading and trailing slashes. */
  prefix: string
}

export interface Server {
  /** IPv6 in brackets. */
  host: string
  port: number
}

const defaultPrefix = 'multihost'

/** Throws `invalid`. */
export function parseStoreUrl(text: string, prefix?: string): StoreAddress {
  const [, scheme = '', authority = '', path = ''] = /^([a-z]+:)\/\/([^/]*)(.*)$/i.exec(text) ?? []
  const urls = authority.split(',').map((each) => urlOf(scheme.toLowerCase(), each, path))
  const known = urls.filter((each) => each !== undefined)
  const [first] = known
  if (first === undefined || known.length < urls.length) {
    throw new DriverError('invalid', `'${text}' is not an address of a store`, {
      hint: 'write consul://HOST:PORT, for example consul://192.168.33.10:8500, or several: consul://HOST:PORT,HOST:PORT',
    })
  }
  const servers = known.map(serverIn)
  const twice = servers.find((each, at) =>
    servers.slice(0, at).some((other) => isDeepStrictEqual(each, other)),
  )
  if (twice !== undefined)
    throw new DriverError('invalid', `'${text}' names ${showServer(twice)} twice`, { hint: 'name it once' })
  return {
    secure: first.protocol === 'https:',
    servers,
    prefix: trim(prefix ?? first.pathname) || defaultPrefix,
  }
}

function urlOf(scheme: string, authority: string, path: string): URL | undefined {
  const text = `${scheme}//${authority}${path}`
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url?.hostname || /^$|:$/.test(authority)) return undefined
  return ['consul:', 'http:', 'https:'].includes(scheme) ? url : undefined
}

function serverIn({ protocol, hostname, port }: URL): Server {
  return { host: hostname, port: port === '' ? defaultPort(protocol) : Number(port) }
}

/** As Node's sockets and tools take it: IPv6 without brackets. */
export function bareHost({ host }: Server): string {
  return host.replace(/^\[|\]$/g, '')
}

/** For `status` and errors. */
export function showAddress({ secure, servers, prefix }: StoreAddress): string {
  return `${secure ? 'https' : 'consul'}://${servers.map(showServer).join(',')}/${prefix}`
}

function showServer({ host, port }: Server): string {
  return `${host}:${port}`
}

function defaultPort(scheme: string): number {
  if (scheme === 'consul:') return 8500
  return scheme === 'https:' ? 443 : 80
}

function trim(path: string): string {
  return path.replace(/^\/+|\/+$/g, '')
}
