/**
 * Whether a machine of the inventory can become a host of the lab: asked by `lab doctor`, and before the
 * first step.
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
    return await examineMachine(host, connection)
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    return { problem: error.message, remedy: error.hint ?? 'see whether it is on, and whether its sshd runs' }
  }
}

export async function examineMachine(
  { address, role }: LabHost,
  { exec }: Pick<Connection, 'exec'>,
): Promise<Verdict> {
  const problem = loginProblem(await exec('id -u; echo $BASH_VERSION'))
  if (problem !== undefined) return problem
  const ask = async (command: string) => (await exec(command)).stdout.trim()
  const addresses = await ask("ip -4 -o address | awk '{ print $4 }'")
  // A small machine has no `ip` yet. A program of its own may be reached by an address that a router translates.
  if (addresses === '' || role === 'bare') return { found: 'root' }
  const init = await ask('cat /proc/1/comm')
  if (init !== 'systemd') return { problem: `its PID 1 is ${init}`, remedy: 'the lab’s units need systemd' }
  const all = addresses.split('\n')
  if (all.some((each) => each.startsWith(`${address}/`))) return { found: `root, ${address}` }
  return {
    problem: `it has no address ${address}: ${all.join(', ')}`,
    remedy: 'give it that address, or write its own address into the list of hosts',
  }
}

/** `answer`: of the user's id, and of bash's version, where that is the shell. */
function loginProblem({ stdout, stderr }: { stdout: string; stderr: string }): Verdict | undefined {
  const lines = stdout.trim().split('\n')
  const at = lines.lastIndexOf('0')
  if (at < 0) {
    const words = (stderr || stdout).trim().replaceAll(/\s+/g, ' ')
    return {
      problem: `commands cannot be run as root there: ${words}`,
      remedy: 'log in as root, or as a user whose sudo asks for no password (NOPASSWD in /etc/sudoers.d)',
    }
  }
  if (at > 0) {
    return {
      problem: `its shell prints "${lines[0]}" before the output of each command`,
      remedy: 'let ~/.bashrc print in interactive shells alone: case $- in *i*) … ;; esac',
    }
  }
  if (lines[at + 1]) return undefined
  return { problem: 'the shell of root there is not bash', remedy: 'as root there: chsh -s /bin/bash' }
}
