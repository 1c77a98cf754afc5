/**
 * What a failed call to Consul means, and what to do. OpenSSL and Node tell a wrong certificate, a wrong port
 * and a wrong scheme in words of their own. Pure.
 */
import { isIP } from 'node:net'
import { DriverError, isCode } from '../../core/errors.ts'
import { bareHost, type StoreAddress, showAddress } from './url.ts'

export interface Failure extends Error {
  code?: string
  response?: { statusCode: number; body?: unknown }
  /** Of an AggregateError, which has no message: Node has tried all addresses of a name. */
  errors?: readonly Error[]
}

/** Consul's words for a token that it does not know, or that may not do this. */
const refusal = /permission denied|ACL not found/i

interface Meaning {
  /** Of the error's code and message. */
  words: RegExp
  /** Without it: with every scheme. */
  secure?: boolean
  says(where: string, said: string): string
  hint(address: StoreAddress): string
}

/** The first that fits counts. */
const meanings: readonly Meaning[] = [
  {
    // The package `consul` fails so where the body is not of the type that its header says.
    words: /^NOT_CONSUL|decode \(\S+\) failed/,
    says: (where, said) => `what answers at ${where} is not Consul: ${said}`,
    hint: () =>
      'a proxy or a web firewall answers in its place: let it pass Consul’s answers, or name Consul itself in --kv-store',
  },
  {
    words: /^NO_INDEX/,
    says: (where) => `the answer of Consul at ${where} has no X-Consul-Index above 0: a proxy removes it`,
    hint: () => 'let the proxy pass this header, or name Consul itself in --kv-store',
  },
  {
    words: refusal,
    says: (where, said) => `Consul at ${where} refuses: ${said}`,
    hint: ({ prefix }) =>
      `give the driver a Consul token that may write keys under ${prefix}/ and create sessions`,
  },
  {
    words: /ALTNAME/i,
    says: (where, said) => `the certificate of Consul at ${where} is for other hosts: ${said}`,
    hint: ({ servers: [server] }) => {
      const host = server === undefined ? '' : bareHost(server)
      const flag = isIP(host) === 0 ? '-additional-dnsname' : '-additional-ipaddress'
      return `make a new one with: consul tls cert create -server ${flag}=${host}; or write a host of the certificate into --kv-store`
    },
  },
  {
    words: /CERT_HAS_EXPIRED/,
    says: (where, said) => `the certificate of Consul at ${where} has ended, or its authority's: ${said}`,
    hint: () =>
      'make a new one with: consul tls cert create -server -days=365, with the addresses that it had; or set this host’s clock, if that is ahead',
  },
  {
    words: /CERT_NOT_YET_VALID/,
    says: (where, said) =>
      `the certificate of Consul at ${where} is not valid yet by this host's clock: ${said}`,
    hint: () => 'set the clock: timedatectl set-ntp true',
  },
  {
    words: /alert certificate expired/i,
    says: (where, said) => `Consul at ${where} does not accept this host's certificate: ${said}`,
    hint: () =>
      'make a new certificate for --kv-cert-file, or set the clock of Consul’s host if that is wrong',
  },
  {
    // RFC 8446 §6.2: the server ends the handshake by an alert, with 1.3 also after this side's part of it.
    words: /alert/i,
    says: (where, said) => `Consul at ${where} does not accept this host's certificate: ${said}`,
    hint: () =>
      'Consul has verify_incoming: --kv-cert-file must be a certificate that its authority has signed, and --kv-key-file the key of it',
  },
  {
    words: /ERR_OSSL/,
    says: (_, said) => `the files of --kv-cert-file and --kv-key-file cannot be used: ${said}`,
    hint: () => 'both are PEM, and the key is that of the certificate',
  },
  {
    words: /wrong version number/i,
    says: (where) => `Consul at ${where} does not speak TLS on this port`,
    hint: () => "write consul:// instead of https://, or name Consul's port for HTTPS, which is often 8501",
  },
  {
    words: /HTTP request to an HTTPS server/i,
    says: (where) => `Consul at ${where} speaks TLS alone on this port`,
    hint: () => 'write https:// in --kv-store, and name the authority with --kv-ca-file',
  },
  {
    words: /certificate|CERT_|UNABLE_TO_/i,
    says: (where, said) => `the certificate of Consul at ${where} cannot be trusted: ${said}`,
    hint: () => '--kv-ca-file must be the authority that signed the certificate',
  },
  {
    words: /socket hang up|ECONNRESET/,
    secure: true,
    says: (where, said) => `Consul at ${where} ends the connection: ${said}`,
    hint: () =>
      'if Consul has verify_incoming, its authority must have signed --kv-cert-file; otherwise multihost continues when Consul answers again',
  },
]

/** Nothing was changed: Consul refused the token. */
export function isRefusal(error: unknown): boolean {
  const failure = error as Failure
  // A page in Consul's place may say "permission denied", and Consul may have written all the same.
  if (failure.code === 'NOT_CONSUL') return false
  return failure.response?.statusCode === 403 || refusal.test(wordsOf(failure))
}

/** The same, of an error that a client has thrown. */
export function isDenied(error: unknown): boolean {
  if (!isCode(error, 'unavailable')) return false
  const { code, message = '', response } = Object(error.cause) as Partial<Failure>
  return code !== 'NOT_CONSUL' && refusal.test(`${response?.body ?? message}`)
}

/** Consul, or what stands in its place, has answered with an error. Of an error that a client has thrown. */
export function hasResponse(error: DriverError): boolean {
  return causeOf(error).response !== undefined
}

export function failureOf(error: Failure, address: StoreAddress): DriverError {
  const where = showAddress(address)
  const said = wordsOf(error)
  if (error.response?.statusCode === 413)
    return new DriverError('invalid', `the change is too large for Consul: ${said}`, { cause: error })
  const meaning = meanings.find(
    ({ words, secure }) =>
      words.test(`${error.code} ${said}`) && (secure === undefined || secure === address.secure),
  )
  if (meaning !== undefined)
    return new DriverError('unavailable', meaning.says(where, said), {
      hint: meaning.hint(address),
      cause: error,
    })
  return new DriverError('unavailable', `Consul at ${where} does not answer: ${said}`, {
    hint: 'running containers are not affected; multihost continues when Consul answers again',
    cause: error,
  })
}

function wordsOf({ response, message, errors = [], code = '' }: Failure): string {
  const body = response?.body
  if (typeof body === 'string' && body !== '') return body.trim().slice(0, 200)
  return plain(message) || [...new Set(errors.map((each) => each.message))].join(', ') || code
}

/**
 * The least TTL of a session that Consul allows, of its error "must be between [30s=24h0m0s]"
 * (`session_ttl_min`).
 */
export function leastTtlMs({ response }: Failure): number | undefined {
  const [, least] = /Invalid Session TTL .* between \[([\dhms.]+)=/.exec(String(response?.body)) ?? []
  return least === undefined ? undefined : durationMs(least)
}

const unitMs: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }

/** As Go writes a duration: `1m30s`. */
function durationMs(text: string): number {
  const parts = [...text.matchAll(/([\d.]+)(ms|[hms])/g)]
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (unitMs[unit ?? ''] ?? 0), 0)
}

/**
 * The package `consul` puts `consul: kv.get: ` before the message; OpenSSL puts its reason between numbers
 * and places.
 */
function plain(message: string): string {
  return message
    .replace(/^consul: [\w.]+: /i, '')
    .replace(/^.*\berror:\w+:[^:]*:[^:]*:([^:]+).*$/s, '$1')
    .trim()
}

/**
 * What Consul says where it has no leader, reaches no other server or is asked too often (agent/http.go and
 * agent/structs/errors.go). Proxies have other words, and web servers answer with pages.
 */
const trouble =
  /No cluster leader|rpc error|rate limit|leadership|not the leader|consistent reads|No known Consul servers|No path to datacenter|\braft\b/i

/**
 * The words of an error that Consul itself has answered with: it refuses the token, or cannot serve now. Of
 * an error that a client has thrown.
 */
export function saidByConsul(error: unknown): string | undefined {
  const { statusCode = 0, body } = causeOf(error).response ?? {}
  const said = typeof body === 'string' ? body.trim() : ''
  const isStatus = statusCode === 403 || statusCode === 429 || statusCode >= 500
  return isStatus && !said.startsWith('<') && (refusal.test(said) || trouble.test(said)) ? said : undefined
}

/** One side does not trust the certificate of the other: nothing was asked. Of an error that a client has thrown. */
export function isOfCertificate(error: unknown): boolean {
  return isDistrust(causeOf(error))
}

/** The same, of a failed call. */
export function isDistrust({ code = '' }: Partial<Failure>): boolean {
  return /CERT|ALERT|^UNABLE_TO_|^INVALID_CA$/.test(code)
}

function causeOf(error: unknown): Partial<Failure> {
  return Object((error as Error | undefined)?.cause)
}
