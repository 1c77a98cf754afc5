/**
 * Machines that exist: an inventory says how each is reached, and they are nobody's to make or to take down.
 *
 * `reached` is shared with the vagrant backend, whose inventory comes from Vagrant.
 */
import { readFileSync } from 'node:fs'
import type { Backend, MachineState } from '../backend.ts'
import { LabError } from '../errors.ts'
import { hosts, type LabHost } from '../hosts.ts'
import { type Connection, connect } from '../ssh.ts'
import { type Entry, readInventory } from './inventory.ts'
import { addKnownHost, knownKeys, readKnownHosts } from './known-hosts.ts'

/** A machine far away, or one that is emulated, takes its time to shake hands. */
const handshakeLimitMs = 20_000

export function sshBackend(file: string): Backend {
  const inventory = readInventory(file)
  const entry = (name: string): Entry => {
    const found = inventory[name]
    if (!found) throw new LabError(`${file} does not say how ${name} can be reached`)
    return found
  }
  const connectTo = (host: LabHost) => reach(host.name, entry(host.name), file)

  return {
    name: 'ssh',
    fresh: false,
    outOfBand: hosts.every((host) => entry(host.name).address !== host.address),
    prepare: () => [],
    boot: (host) => demandRoot(host, connectTo),
    complete: () => undefined,
    abandon: async () => undefined,
    async down() {
      throw new LabError('the machines of an inventory are not the lab’s to take down', {
        hint: `they stay as they are; to end the driver on one: npm run -s lab -- exec --backend ssh --inventory ${file} net-1 systemctl disable --now multihost`,
      })
    },
    states: async () =>
      new Map(
        await Promise.all(hosts.map(async (host) => [host.name, await stateOf(host, connectTo)] as const)),
      ),
    connect: connectTo,
  }
}

/** Connects to an inventory's host; `source` says where its entry stands, for messages. */
export function reach(name: string, entry: Entry, source: string): Promise<Connection> {
  const { address, port, user, identityFile, hostKey, knownHosts, acceptNew } = entry
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

async function stateOf(
  host: LabHost,
  connectTo: (host: LabHost) => Promise<Connection>,
): Promise<MachineState> {
  try {
    ;(await connectTo(host)).close()
    return 'running'
  } catch (error) {
    if (error instanceof LabError) return 'unreachable'
    throw error
  }
}

/** Before the first step: what every command there needs is said once, and not by whichever step comes first. */
async function demandRoot(host: LabHost, connectTo: (host: LabHost) => Promise<Connection>): Promise<void> {
  await using connection = await connectTo(host)
  const { stdout, stderr } = await connection.exec('id -u')
  if (stdout.trim() === '0') return
  throw new LabError(`${host.name}: commands cannot be run as root there: ${(stderr || stdout).trim()}`, {
    hint: 'log in as root, or as a user whose sudo asks for no password (NOPASSWD in /etc/sudoers.d)',
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
