/**
 * `-o key=value` of `docker network create -d vxlan`, checked.
 *
 * Options of other drivers' making (`com.docker.network.…`, as Compose files carry them) are let through, except the
 * one that says what our own says. Anything else unknown is refused: a misspelt option would be ignored for ever.
 */
import { DriverError } from '../core/errors.ts'
import { type DatapathKind, datapathKinds } from '../core/records.ts'
import { replicaOption } from './verbs.ts'

export interface NetworkOptions {
  /** This is a copy of the cluster's network of that id. */
  replicaOf?: string
  /** As it was given; checked against the VNIs that are taken. */
  vni?: string
  mtuBytes?: number
  datapath?: DatapathKind
  port: number
  /** All that was given, for the other hosts' engines. */
  given: Record<string, string>
}

/** RFC 7348 §5. */
export const defaultPort = 4789
/** IPv4's smallest (RFC 791), IPv6's smallest (RFC 8200 §5). */
const smallestMtu = { v4: 68, v6: 1280 }
const allowed = ['vni', 'mtu', 'port', 'datapath', 'com.docker.network.driver.mtu']

export interface Limits {
  /** What an inner packet may measure on this host's underlay. */
  largestMtuBytes: number
  device: string
  ipv6: boolean
}

/** Throws `invalid`. */
export function parseOptions(options: Record<string, string>, limits: Limits): NetworkOptions {
  const { [replicaOption]: replicaOf, ...given } = options
  const unknown = Object.keys(given).find(
    (key) => !allowed.includes(key) && !key.startsWith('com.docker.network.'),
  )
  if (unknown !== undefined) throw unknownOption(unknown)
  const mtu = given.mtu ?? given['com.docker.network.driver.mtu']
  return {
    ...(replicaOf === undefined ? {} : { replicaOf }),
    ...(given.vni === undefined ? {} : { vni: given.vni }),
    ...(mtu === undefined ? {} : { mtuBytes: parseMtu(mtu, limits) }),
    ...(given.datapath === undefined ? {} : { datapath: parseDatapath(given.datapath) }),
    port: given.port === undefined ? defaultPort : parseNumber('port', given.port, 1, 65_535),
    given,
  }
}

function parseMtu(text: string, { largestMtuBytes, device, ipv6 }: Limits): number {
  const mtu = parseNumber('mtu', text, ipv6 ? smallestMtu.v6 : smallestMtu.v4, 65_535)
  if (mtu <= largestMtuBytes) return mtu
  throw new DriverError('invalid', `-o mtu=${text} does not fit through ${device}`, {
    hint: `its own MTU leaves ${largestMtuBytes} bytes inside the tunnel`,
  })
}

function parseDatapath(text: string): DatapathKind {
  const kind = datapathKinds.find((it) => it === text)
  if (kind !== undefined) return kind
  throw new DriverError('invalid', `-o datapath=${text} is not allowed`, {
    hint: `it takes ${datapathKinds.join(' or ')}`,
  })
}

function parseNumber(key: string, text: string, least: number, most: number): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : -1
  if (number >= least && number <= most) return number
  throw new DriverError('invalid', `-o ${key}=${text} is not allowed`, {
    hint: `it takes ${least} … ${most}`,
  })
}

function unknownOption(key: string): DriverError {
  return new DriverError('invalid', `unknown option '${key}'`, {
    hint: 'allowed are -o vni=, -o mtu=, -o port= and -o datapath=',
  })
}
