/**
 * What a failed call to Consul means, and what to do. OpenSSL and Node tell a wrong certificate, a wrong port
 * and a wrong scheme in words of their own. Pure.
 */
import { isIP } from 'node:net'
import { DriverError } from '../../core/errors.ts'
import { type StoreAddress, showAddress } from './url.ts'

export interface Failure extends Error {
  code?: string
  response?: { statusCode: number; body?: unknown }
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
    words: refusal,
    says: (where, said) => `Consul at ${where} refuses: ${said}`,
    hint: ({ prefix }) =>
      `give the driver a Consul token that may write keys under ${prefix}/ and create sessions`,
  },
  {
    words: /ALTNAME/i,
    says: (where, said) => `the certificate of Consul at ${where} is for other hosts: ${said}`,
    hint: ({ servers: [server] }) => {
      const host = (server?.host ?? '').replace(/^\[|\]$/g, '')
      const flag = isIP(host) === 0 ? '-additional-dnsname' : '-additional-ipaddress'
      return `make it anew with: consul tls cert create -server ${flag}=${host}; or write a host of the certificate into --kv-store`
    },
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
  return failure.response?.statusCode === 403 || refusal.test(wordsOf(failure))
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

function wordsOf({ response, message }: Failure): string {
  const body = response?.body
  return typeof body === 'string' && body !== '' ? body.trim().slice(0, 200) : plain(message)
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
