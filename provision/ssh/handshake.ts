/**
 * Opening an ssh connection: the socket, the host's key, the login; and an error for each that can fail.
 *
 * Host keys are pinned: a host with another key is refused before anything is sent to it. A target with
 * `remember` accepts an unknown key at first contact.
 */
import { createHash } from 'node:crypto'
import { connect as connectSocket, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type ssh2 from 'ssh2'
import { LabError } from '../process/errors.ts'
import { timeoutScale } from '../process/timeout-scale.ts'

export interface Target {
  /** For messages. */
  name: string
  /** A unix socket with an sshd behind it, or an address. */
  at: { socket: string } | { host: string; port: number }
  user: string
  /** OpenSSH or PEM text; without one the keys of the ssh agent are used. */
  privateKey?: string | undefined
  /** The host's public keys in base64, as in known_hosts, and where they stand, for messages. */
  pinned: { hostKeys: readonly string[]; in: string }
  /** Stores the key of a host without a pinned one. Without this function such a host is refused. */
  remember?: ((hostKey: Buffer) => void) | undefined
  /** Deadline of the login; 5 s times the timeout scale unless given. */
  timeoutMs?: number
}

/** Resolves when the host has shown its key and has accepted the login. */
export async function handshake(target: Target): Promise<ssh2.Client> {
  const sock = connectSocket('socket' in target.at ? { path: target.at.socket } : target.at)
  sock.setNoDelay(true)
  sock.on('error', () => undefined) // `sock.errored` keeps an error that comes before there is a client
  try {
    // Loaded while the host's sshd starts.
    const { default: ssh } = await import('ssh2')
    return await logIn(target, sock, new ssh.Client(), credentials(target, ssh.utils))
  } catch (error) {
    sock.destroy()
    throw error
  }
}

function logIn(target: Target, sock: Socket, client: ssh2.Client, auth: Credentials): Promise<ssh2.Client> {
  const seen: Seen = {}
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(failure(target, error, seen))
    // ssh2 would wait for an end that has been before.
    if (sock.errored || sock.readableEnded || sock.destroyed) return fail(sock.errored ?? closed())
    client.on('error', fail) // never removed: without a listener a second error would end the process
    client.once('close', () => fail(closed()))
    client.once('ready', () => {
      client.removeAllListeners('close')
      // An error that is thrown here would end the process.
      const problem = remembered(target, seen)
      if (problem === undefined) return resolve(client)
      client.end()
      reject(problem)
    })
    client.connect({
      sock: sock as Duplex as typeof sock,
      username: target.user,
      ...auth,
      readyTimeout: target.timeoutMs ?? 5000 * timeoutScale,
      keepaliveInterval: 2000,
      keepaliveCountMax: 3 * timeoutScale,
      hostVerifier: (key: Buffer) => {
        seen.hostKey = key
        return accepts(target, key)
      },
      algorithms: { serverHostKey: algorithmsFor(target.pinned.hostKeys) },
    })
  })
}

/** Stores the key of a host without a pinned one. */
function remembered({ name, at, pinned, remember }: Target, { hostKey }: Seen): LabError | undefined {
  if (pinned.hostKeys.length > 0 || hostKey === undefined) return undefined
  try {
    remember?.(hostKey)
    return undefined
  } catch (cause) {
    const words = `${name}: the key of ${placeOf(at)} cannot be added to ${pinned.in}: ${(cause as Error).message}`
    return new LabError(words, { cause })
  }
}

const placeOf = (at: Target['at']): string => ('socket' in at ? at.socket : `${at.host}:${at.port}`)

function closed(): Error {
  return new Error('the connection was closed')
}

interface Seen {
  hostKey?: Buffer
}

function accepts({ pinned, remember }: Target, key: Buffer): boolean {
  if (pinned.hostKeys.length === 0) return remember !== undefined
  return pinned.hostKeys.includes(key.toString('base64'))
}

type Credentials = { privateKey: string } | { agent: string }

function credentials({ name, privateKey, user }: Target, { parseKey }: typeof ssh2.utils): Credentials {
  if (privateKey !== undefined) {
    const key = parseKey(privateKey)
    if (!(key instanceof Error)) return { privateKey }
    throw new LabError(`${name}: the key of ${user} cannot be used: ${key.message}`, {
      hint: 'a key with a passphrase goes into the ssh agent (ssh-add); then name no identityFile',
    })
  }
  const agent = process.env.SSH_AUTH_SOCK
  if (agent) return { agent }
  throw new LabError(`${name}: there is no key to log in with as ${user}`, {
    hint: 'name an identityFile, or start an ssh agent (SSH_AUTH_SOCK)',
  })
}

const byType: Record<string, readonly ssh2.ServerHostKeyAlgorithm[]> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
}

/** The algorithms of the pinned keys: a host with several keys must show one that can be compared. */
function algorithmsFor(hostKeys: readonly string[]): ssh2.ServerHostKeyAlgorithm[] {
  const types = hostKeys.length > 0 ? hostKeys.map(keyType) : Object.keys(byType)
  return Object.keys(byType)
    .filter((type) => types.includes(type))
    .flatMap((type) => byType[type] ?? [])
}

/** A key's first field is its type: four bytes of length, then the name. RFC 4253 §6.6. */
export function keyType(hostKey: string): string {
  const blob = Buffer.from(hostKey, 'base64')
  return blob.length < 4 ? '' : blob.subarray(4, 4 + blob.readUInt32BE(0)).toString('latin1')
}

/** As `ssh-keygen -l` prints it. */
function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

function failure(target: Target, error: Error & { level?: string }, { hostKey }: Seen): LabError {
  const { name, user, at, pinned } = target
  const where = placeOf(at)
  if (hostKey && !accepts(target, hostKey)) {
    const is = fingerprint(hostKey)
    if (pinned.hostKeys.length === 0) {
      return new LabError(`${name}: ${where} is a host whose key is not in ${pinned.in}: ${is}`, {
        hint: `if ${where} is the right machine, add its key to ${pinned.in}`,
      })
    }
    return new LabError(`${name}: ${where} has another key than the one in ${pinned.in}: ${is}`, {
      hint: `if the machine was made anew, replace its key in ${pinned.in}`,
    })
  }
  if (error.level === 'client-authentication') {
    return new LabError(`${name}: ${where} does not let ${user} in with this key`, {
      hint: `add the public key to ~${user}/.ssh/authorized_keys on that host`,
      cause: error,
    })
  }
  return new LabError(`${name}: no ssh at ${where}: ${error.message}`, { cause: error })
}
