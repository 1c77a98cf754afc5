/**
 * `lab doctor --backend ssh`: whether each machine of the inventory can become a host of the lab.
 */

import type { Lab, LabHost } from '../../lab/definition.ts'
import { LabError } from '../../process/errors.ts'
import type { Connection } from '../../ssh/connection.ts'
import type { Check, Verdict } from '../checks.ts'

export function inventoryChecks(lab: Lab, connectTo: (host: LabHost) => Promise<Connection>): Check[] {
  return lab.hosts.map((host) => ({ title: host.name, look: async () => look(host, connectTo) }))
}

async function look(host: LabHost, connectTo: (host: LabHost) => Promise<Connection>): Promise<Verdict> {
  try {
    await using connection = await connectTo(host)
    const ask = async (command: string) => (await connection.exec(command)).stdout.trim()
    return machineVerdict(host, {
      uid: await ask('id -u'),
      init: await ask('ps -p 1 -o comm='),
      addresses: (await ask("ip -4 -o address | awk '{ print $4 }'")).split('\n'),
    })
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    return { problem: error.message, remedy: error.hint ?? 'see whether it is on, and whether its sshd runs' }
  }
}

/** `uid` is of the user that runs our commands, `init` the name of PID 1, `addresses` are CIDRs. */
export interface MachineFacts {
  uid: string
  init: string
  addresses: readonly string[]
}

export function machineVerdict(host: LabHost, { uid, init, addresses }: MachineFacts): Verdict {
  if (uid !== '0') {
    return {
      problem: 'commands cannot be run as root there',
      remedy: 'log in as root, or as a user whose sudo asks for no password (NOPASSWD in /etc/sudoers.d)',
    }
  }
  if (init !== 'systemd') return { problem: `its PID 1 is ${init}`, remedy: 'the lab’s units need systemd' }
  if (addresses.some((each) => each.startsWith(`${host.address}/`))) return { found: `root, ${host.address}` }
  return {
    problem: `it has no address ${host.address}: ${addresses.join(', ')}`,
    remedy: 'give it that address, or write its own address into the list of hosts',
  }
}
