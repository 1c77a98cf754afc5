/**
 * A connection to a machine over TCP, with its key looked up in known_hosts.
 */
import { readFileSync } from 'node:fs'
import { LabError } from '../process/errors.ts'
import { timeoutScale } from '../process/timeout-scale.ts'
import { type Connection, connect } from './connection.ts'
import { addKnownHost, knownKeys, readKnownHosts } from './known-hosts.ts'

export interface Access {
  address: string
  port: number
  user: string
  /** Private key; without one the ssh agent is asked. */
  identityFile?: string | undefined
  /** As in a .pub file; without one `knownHosts` has it. */
  hostKey?: string | undefined
  knownHosts: string
  /** A host that `knownHosts` does not know is added there at first contact. */
  acceptNew: boolean
}

/** Longer than for a host of this machine: remote and emulated machines shake hands slowly. */
const handshakeLimitMs = 20_000 * timeoutScale

/** `source` says where a `hostKey` stands, for messages. */
export function reach(name: string, access: Access, source: string): Promise<Connection> {
  const { address, port, user, identityFile, hostKey, knownHosts, acceptNew } = access
  const pinned =
    hostKey === undefined
      ? { hostKeys: knownKeys(readKnownHosts(knownHosts), address, port), in: knownHosts }
      : { hostKeys: [hostKey.split(' ')[1] ?? ''], in: source }
  return connect({
    name,
    at: { host: address, port },
    user,
    privateKey: identityFile === undefined ? undefined : readKey(name, identityFile),
    pinned,
    remember: acceptNew ? (key) => addKnownHost(knownHosts, address, port, key) : undefined,
    timeoutMs: handshakeLimitMs,
  })
}

function readKey(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new LabError(`${name}: its identityFile cannot be read: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
