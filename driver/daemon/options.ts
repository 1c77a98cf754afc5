/**
 * The daemon's options, as documented:
 * `--kv-store=consul://192.168.33.10:8500 --default-network=overlay:multihost --bind-interface=eth1`. Every
 * value is checked here, and an error names it and what is allowed.
 */
import { parsedArgs } from '../cli/parsed-args.ts'
import { namespaceFolder } from '../core/datapath/desired.ts'
import { defined } from '../core/defined.ts'
import { DriverError } from '../core/errors.ts'
import { canonicalIp, isIp } from '../core/ip.ts'
import { checkSource, defaultPools } from '../core/pools.ts'
import { answerWithinS } from '../protocol/answer-timeout.ts'
import { defaultControlSocket, defaultDockerSocket } from '../sockets.ts'
import { parseStoreUrl } from '../store/consul/url.ts'
import type { DnsAddress } from './dependencies.ts'

export interface DaemonOptions {
  kvStore: string
  /** Consul's ACL token. */
  tokenFile?: string
  tls: { caFile?: string; certFile?: string; keyFile?: string }
  /** Driver and name of the network that a container without `--network` gets; stored for the docker wrapper. */
  defaultNetwork: { driver: string; name: string }
  /** Absent: the interface that leads to the store. */
  bindInterface?: string
  /** Absent: the name that the host has had so far, at first its hostname. */
  hostName?: string
  socket: string
  controlSocket: string
  dockerSocket: string
  addressPools: readonly string[]
  namespaceFolder: string
  /** Address on which DNS answers the names of containers. Absent: no DNS. */
  dnsListen?: DnsAddress
  /** Named endpoints of a network above which only DNS has its names. */
  hostsFileLimit: number
  /** Time limit of Docker's calls. */
  answerWithinMs: number
  /** Tunnel packets are filtered. */
  filterIsOn: boolean
  stateDir: string
  logLevel: string
}

/** Beyond the ports that the kernel gives away by itself (ip_local_port_range), on an address of the driver's own. */
const ownDnsPort = 61_053

const logLevels = ['debug', 'info', 'warn', 'error']

const text = { type: 'string' } as const
const options = {
  'kv-store': text,
  'kv-token-file': text,
  'kv-ca-file': text,
  'kv-cert-file': text,
  'kv-key-file': text,
  'default-network': text,
  'bind-interface': text,
  'host-name': text,
  socket: text,
  'control-socket': text,
  'docker-socket': text,
  'address-pools': text,
  'dns-listen': text,
  'hosts-file-limit': text,
  'answer-within': text,
  'tunnel-filter': text,
  'netns-dir': text,
  'state-dir': text,
  'log-level': text,
} as const

/** Of a host that may have no store. */
export type OpenOptions = Omit<DaemonOptions, 'kvStore'> & { kvStore?: string }

/** The package's own file. The unit reads it after /etc/default/docker, so that its assignment counts. */
export const packageOptionsFile = '/etc/default/multihost'

export const daemonHelp = `multihost daemon: the overlay driver of this host

  --kv-store=consul://HOST:PORT[,HOST:PORT…][/PREFIX]
                           Consul, which holds the cluster's state (required). The driver uses one server until
                           that fails, then the next. https:// for TLS
  --kv-token-file=FILE     Consul's ACL token
  --kv-ca-file=FILE, --kv-cert-file=FILE, --kv-key-file=FILE
                           with https://HOST:PORT: Consul's authority; this host's certificate and its key
  --bind-interface=NAME|ADDRESS|CIDR
                           interface of the VTEP, not lo; default: the interface of the route to the store
  --host-name=NAME         this host's name in the cluster; default: its earlier name, and the hostname at the
                           first start
  --default-network=DRIVER:NAME
                           network that the docker wrapper gives containers without --network;
                           default: overlay:multihost
  --address-pools=LIST     IPv4 blocks for networks without --subnet; 10.0.0.0/8:24 stands for its /24 blocks;
                           default: ${defaultPools.join(',')}
  --dns-listen=ADDRESS[:PORT]
                           answer DNS on ADDRESS; name it to the engine as --dns=ADDRESS; default: no DNS.
                           The driver adds an address in 169.254.0.0/16 to lo, and port 53 of the host stays
                           free. Any other address must be one of this host's that containers reach
  --hosts-file-limit=N     names of a network with more than N named endpoints are in DNS alone; default: 500
  --answer-within=SECONDS  time limit of a call from Docker; raise it on very slow machines:
                           ${answerWithinS.least} to ${answerWithinS.most}; default: ${answerWithinS.usual}
  --tunnel-filter=on|off   accept tunnel packets from the cluster's hosts alone; default: on
  --socket=PATH            Docker's plugin socket; default: /run/docker/plugins/vxlan.sock
  --control-socket=PATH    socket of the commands and metrics; default: ${defaultControlSocket}
  --docker-socket=PATH     the engine's API; default: ${defaultDockerSocket}
  --netns-dir=PATH         folder of the network namespaces; default: ${namespaceFolder}
  --state-dir=PATH         host id, copy of the store, journal; default: /var/lib/multihost
  --log-level=LEVEL        ${logLevels.join(', ')}; default: info
`

/** Throws `invalid`. */
export function parseDaemonOptions(args: string[]): DaemonOptions {
  const { kvStore, ...others } = parseOpenOptions(args)
  if (kvStore !== undefined) return { ...others, kvStore }
  throw noStore()
}

export function noStore(): DriverError {
  return new DriverError('invalid', '--kv-store is missing', {
    hint: 'name the store, like --kv-store=consul://192.168.33.10:8500',
  })
}

/** Each option as one word, `--name=value`, in the order given. Throws `invalid`. */
export function optionWords(args: string[]): string[] {
  return Object.entries(parse(args)).map(([name, value]) => `--${name}=${value}`)
}

/** The options of a driver that may have no store yet. Throws `invalid`. */
export function parseOpenOptions(args: string[]): OpenOptions {
  const given = parse(args)
  const path = (name: keyof typeof given, or: string): string => checkPath(name, given[name] ?? or)
  const number = (name: keyof typeof given, or: string, range: Range): number =>
    wholeNumber(name, given[name] ?? or, range)
  /** The option as `read` takes it; undefined where it is not given. */
  const maybe = <T>(name: keyof typeof given, read: (text: string) => T): T | undefined =>
    given[name] === undefined ? undefined : read(given[name])
  return defined({
    kvStore: maybe('kv-store', checkStore),
    tokenFile: given['kv-token-file'],
    tls: tlsOf(given),
    defaultNetwork: parseDefaultNetwork(given['default-network'] ?? 'overlay:multihost'),
    bindInterface: maybe('bind-interface', (text) => notEmpty('bind-interface', text)),
    hostName: maybe('host-name', checkHostName),
    socket: path('socket', '/run/docker/plugins/vxlan.sock'),
    controlSocket: path('control-socket', defaultControlSocket),
    dockerSocket: path('docker-socket', defaultDockerSocket),
    addressPools: given['address-pools']?.split(',').map((it) => checkSource(it.trim())) ?? defaultPools,
    namespaceFolder: path('netns-dir', namespaceFolder),
    dnsListen: maybe('dns-listen', parseDnsAddress),
    hostsFileLimit: number('hosts-file-limit', '500', { least: 0, most: 9_999_999 }),
    answerWithinMs: 1000 * number('answer-within', `${answerWithinS.usual}`, answerWithinS),
    filterIsOn: oneOf('tunnel-filter', given['tunnel-filter'] ?? 'on', ['on', 'off']) === 'on',
    stateDir: path('state-dir', '/var/lib/multihost'),
    logLevel: oneOf('log-level', given['log-level'] ?? 'info', logLevels),
  })
}

type Given = { [name in keyof typeof options]?: string }

function parse(args: string[]): Given {
  return parsedArgs({ args, options }, `options are --${Object.keys(options).join(', --')}`).values
}

function checkStore(url: string): string {
  parseStoreUrl(url)
  return url
}

function tlsOf(given: Given): DaemonOptions['tls'] {
  return defined({
    caFile: given['kv-ca-file'],
    certFile: given['kv-cert-file'],
    keyFile: given['kv-key-file'],
  })
}

function parseDefaultNetwork(value: string): DaemonOptions['defaultNetwork'] {
  const [, driver = '', name = ''] = /^([^:]+):([^:]+)$/.exec(value) ?? []
  if (['overlay', 'vxlan'].includes(driver)) return { driver, name }
  throw new DriverError('invalid', `--default-network=${value} is not allowed`, {
    hint: 'write it like overlay:multihost',
  })
}

function parseDnsAddress(value: string): DnsAddress {
  const [, v6, v4, port = '53'] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(value) ?? []
  const address = isIp(value) ? value : (v6 ?? v4 ?? '')
  if (isIp(address) && Number(port) > 0 && Number(port) < 65_536) {
    const own = /^169\.254\./.test(address) ? { ownPort: ownDnsPort } : {}
    return { address: canonicalIp(address), port: Number(port), ...own }
  }
  throw new DriverError('invalid', `--dns-listen=${value} is not allowed`, {
    hint: 'write it like 169.254.255.53, 192.168.33.11:53 or [fd00::1]:53',
  })
}

interface Range {
  least: number
  most: number
}

function wholeNumber(name: string, value: string, { least, most }: Range): number {
  if (/^\d+$/.test(value) && Number(value) >= least && Number(value) <= most) return Number(value)
  throw new DriverError('invalid', `--${name}=${value} is not allowed`, {
    hint: `write a whole number from ${least} to ${most}`,
  })
}

/** A host's name is part of the store's keys and of messages. */
export function isHostName(name: string): boolean {
  return /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(name)
}

function checkHostName(name: string): string {
  if (isHostName(name)) return name
  throw new DriverError('invalid', `'${name}' cannot be a host's name in the cluster`, {
    hint: 'give --host-name letters, digits, dots and dashes',
  })
}

function checkPath(name: string, path: string): string {
  if (path.startsWith('/')) return path
  throw new DriverError('invalid', `--${name}=${path} is not an absolute path`, { hint: 'begin it with /' })
}

function oneOf(name: string, value: string, allowed: readonly string[]): string {
  if (allowed.includes(value)) return value
  throw new DriverError('invalid', `--${name}=${value} is not allowed`, {
    hint: `it takes ${allowed.join(', ')}`,
  })
}

function notEmpty(name: string, value: string): string {
  if (value !== '') return value
  throw new DriverError('invalid', `--${name} is empty`, {
    hint: 'name an interface, or leave the option out',
  })
}
