/**
 * `lab doctor --backend ssh`: whether each machine of the inventory can become a host of the lab.
 */

import { hosts, type LabHost } from '../../lab/hosts.ts'
import { LabError } from '../../process/errors.ts'
import type { Backend } from '../backend.ts'
import type { Check, Verdict } from '../checks.ts'

export function inventoryChecks(backend: Backend): Check[] {
  return hosts.map((host) => ({ title: host.name, look: async () => look(backend, host) }))
}

async function look(backend: Backend, host: LabHost): Promise<Verdict> {
  try {
    await using connection = await backend.connect(host)
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

/** What a machine says of itself. `addresses` are CIDRs. */
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
    remedy: 'give it that one, or write the one that it has into provision/lab.json',
  }
}
