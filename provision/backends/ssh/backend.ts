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
import { examineMachine, inventoryChecks } from './doctor.ts'
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
    checks: async () => inventoryChecks(lab, connectTo),
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
  const verdict = await examineMachine(host, connection)
  if ('problem' in verdict) throw new LabError(`${host.name}: ${verdict.problem}`, { hint: verdict.remedy })
}
