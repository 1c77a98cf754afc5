/**
 * Machines that exist: an inventory says how each is reached, and they are nobody's to make or to take down.
 */

import { hosts, type LabHost } from '../../lab/hosts.ts'
import { LabError } from '../../process/errors.ts'
import type { Connection } from '../../ssh/connection.ts'
import type { Backend, MachineState } from '../backend.ts'
import { readInventory } from './inventory.ts'
import { reach } from './reach.ts'

export function sshBackend(file: string): Backend {
  const inventory = readInventory(file)
  const entry = (name: string) => {
    const found = inventory[name]
    if (found) return found
    throw new LabError(`${file} does not say how ${name} can be reached`)
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
        hint: `they stay as they are; what ends the driver on one: npm run -s lab -- exec --backend ssh --inventory ${file} net-1 systemctl disable --now multihost`,
      })
    },
    async states() {
      const told = hosts.map(async (host) => [host.name, await stateOf(host, connectTo)] as const)
      return new Map(await Promise.all(told))
    },
    connect: connectTo,
  }
}

type ConnectTo = (host: LabHost) => Promise<Connection>

async function stateOf(host: LabHost, connectTo: ConnectTo): Promise<MachineState> {
  try {
    const connection = await connectTo(host)
    connection.close()
    return 'running'
  } catch (error) {
    if (error instanceof LabError) return 'unreachable'
    throw error
  }
}

/** Before the first step: what every command there needs is said once, and not by whichever step comes first. */
async function demandRoot(host: LabHost, connectTo: ConnectTo): Promise<void> {
  await using connection = await connectTo(host)
  const { stdout, stderr } = await connection.exec('id -u')
  if (stdout.trim() === '0') return
  throw new LabError(`${host.name}: commands cannot be run as root there: ${(stderr || stdout).trim()}`, {
    hint: 'log in as root, or as a user whose sudo asks for no password (NOPASSWD in /etc/sudoers.d)',
  })
}
