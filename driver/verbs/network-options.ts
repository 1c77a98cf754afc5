/**
 * The `-o key=value` options of `docker network create -d vxlan`, checked.
 *
 * Options of other drivers (`com.docker.network.…`, as Compose files contain them) are accepted and ignored,
 * except the driver MTU, which equals `-o mtu=`, and the VNI of Swarm's overlay, which equals `-o vni=`. Any
 * other unknown option is an error: a misspelt option would be ignored for ever.
 */
import { defined } from '../core/defined.ts'
import { DriverError } from '../core/errors.ts'
import { type DatapathKind, datapathKinds } from '../core/records.ts'

export interface NetworkOptions {
  /** The text that was given; checked later against the VNIs in use. */
  vni?: string
  mtuBytes?: number
  datapath?: DatapathKind
  port: number
  /** All options that were given, for the engines of the other hosts. */
  given: Record<string, string>
}

/** RFC 7348 §5. */
const defaultPort = 4789
const allowed = ['vni', 'mtu', 'port', 'datapath']
/** Source: moby's daemon/libnetwork/netlabel/labels.go. */
const [dockersMtu, swarmsVni] = [
  'com.docker.network.driver.mtu',
  'com.docker.network.driver.overlay.vxlanid_list',
]

export interface Limits {
  smallestMtuBytes: number
  largestMtuBytes: number
  /** Where the largest MTU comes from. */
  device: string
}

/** Throws `invalid`. */
export function parseOptions(given: Record<string, string>, limits: Limits): NetworkOptions {
  const unknown = Object.keys(given).find(
    (key) => !allowed.includes(key) && !key.startsWith('com.docker.network.'),
  )
  if (unknown !== undefined) throw unknownOption(unknown)
  const vni = vniAsked(given)
  const mtu = given.mtu ?? given[dockersMtu]
  return defined({
    vni,
    mtuBytes: mtu === undefined ? undefined : parseMtu(mtu, limits),
    datapath: given.datapath === undefined ? undefined : parseDatapath(given.datapath),
    port: given.port === undefined ? defaultPort : parseNumber('port', given.port, 1, 65_535),
    given,
  })
}

/** The VNI that a person asked for, as text. */
export function vniAsked(given: Readonly<Record<string, string>>): string | undefined {
  return given.vni ?? given[swarmsVni]
}

function parseMtu(text: string, { smallestMtuBytes, largestMtuBytes, device }: Limits): number {
  const mtu = parseNumber('mtu', text, smallestMtuBytes, 65_535)
  if (mtu <= largestMtuBytes) return mtu
  throw new DriverError('invalid', `-o mtu=${text} is too large for the interface ${device}`, {
    hint: `its MTU allows ${largestMtuBytes} bytes inside the tunnel: use -o mtu=${largestMtuBytes} or less`,
  })
}

function parseDatapath(text: string): DatapathKind {
  const kind = datapathKinds.find((it) => it === text)
  if (kind !== undefined) return kind
  throw new DriverError('invalid', `-o datapath=${text} is not allowed`, {
    hint: `allowed are ${datapathKinds.join(' and ')}`,
  })
}

function parseNumber(key: string, text: string, least: number, most: number): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : -1
  if (number >= least && number <= most) return number
  throw new DriverError('invalid', `-o ${key}=${text} is not allowed`, {
    hint: `allowed are ${least} … ${most}`,
  })
}

function unknownOption(key: string): DriverError {
  return new DriverError('invalid', `unknown option -o ${key}`, {
    hint: 'allowed are -o vni=, -o mtu=, -o port= and -o datapath=',
  })
}
