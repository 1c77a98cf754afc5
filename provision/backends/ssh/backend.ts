/**
 * Machines that exist: an inventory says how each is reached. The lab neither makes nor removes them.
 */
import { hostsOfRole, type LabHost } from '../../lab/definition.ts'
import { LabError } from '../../process/errors.ts'
import { quietLabCommand } from '../../process/lab-command.ts'
import { shellQuote } from '../../process/quote.ts'
import type { Connection } from '../../ssh/connection.ts'
import { reach } from '../../ssh/reach.ts'
import type { Backend, BackendOptions, MachineState } from '../backend.ts'
import { machineVerdict } from './doctor.ts'
import { readInventory } from './inventory.ts'

export function sshBackend({ lab, inventory: file, engine, engines, programs }: BackendOptions): Backend {
  const inventory = readInventory(file, lab)
  const entry = (name: string) => {
    const found = inventory[name]
    if (found) return found
    throw new LabError(`${file} does not say how ${name} can be reached`)
  }
  const connectTo = (host: LabHost) => reach(host.name, entry(host.name), file)
  const example = hostsOfRole(lab, 'docker')[0]?.name ?? 'HOST'

  return {
    name: 'ssh',
    lab,
    fresh: false,
    outOfBand: lab.hosts.every((host) => entry(host.name).address !== host.address),
    prepare: () => [],
    boot: (host) => checkMachine(host, connectTo),
    engineOf: (host) => engines[host.name] ?? engine,
    programs,
    complete: () => undefined,
    abandon: async () => undefined,
    async down() {
      throw new LabError('lab down does not take down the machines of an inventory', {
        hint: `they stay as they are; to stop the driver on one: ${quietLabCommand} exec --backend ssh --inventory ${shellQuote(file)} ${example} systemctl disable --now multihost`,
      })
    },
    async states() {
      const states = lab.hosts.map(async (host) => [host.name, await stateOf(host, connectTo)] as const)
      return new Map(await Promise.all(states))
    },
    connect: connectTo,
    checks: async () => (await import('./doctor.ts')).inventoryChecks(lab, connectTo),
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

/** Before the first step: what would fail in the middle of them, as one error. */
async function checkMachine(host: LabHost, connectTo: ConnectTo): Promise<void> {
  await using connection = await connectTo(host)
  const problem = loginProblem(host.name, await connection.exec('id -u; echo $BASH_VERSION'))
  if (problem !== undefined) throw problem
  const ask = async (command: string) => (await connection.exec(command)).stdout.trim()
  const addresses = await ask("ip -4 -o address | awk '{ print $4 }'")
  // A small machine has no `ip` yet. A program of its own may be reached by an address that a router translates.
  if (addresses === '' || host.role === 'bare') return
  const facts = { uid: '0', init: await ask('cat /proc/1/comm'), addresses: addresses.split('\n') }
  const verdict = machineVerdict(host, facts)
  if ('problem' in verdict) throw new LabError(`${host.name}: ${verdict.problem}`, { hint: verdict.remedy })
}

/** `answer`: of the user's id, and of bash's version, where that is the shell. */
export function loginProblem(name: string, answer: { stdout: string; stderr: string }): LabError | undefined {
  const { stdout, stderr } = answer
  const lines = stdout.trim().split('\n')
  const at = lines.lastIndexOf('0')
  if (at < 0) {
    const words = (stderr || stdout).trim().replaceAll(/\s+/g, ' ')
    return new LabError(`${name}: commands cannot be run as root there: ${words}`, {
      hint: 'log in as root, or as a user whose sudo asks for no password (NOPASSWD in /etc/sudoers.d)',
    })
  }
  if (at > 0) {
    return new LabError(`${name}: its shell prints "${lines[0]}" before the output of each command`, {
      hint: 'let ~/.bashrc print in interactive shells alone: case $- in *i*) … ;; esac',
    })
  }
  if (lines[at + 1]) return undefined
  return new LabError(`${name}: the shell of root there is not bash`, {
    hint: 'as root there: chsh -s /bin/bash',
  })
}
