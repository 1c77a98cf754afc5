/**
 * The lab as virtual machines that Vagrant makes from the Vagrantfile. `vagrant ssh-config` lists how they
 * are reached, like the inventory of the backend ssh.
 *
 * Vagrant does not know host keys. A machine's host key is pinned at first contact, in Vagrant's folder of
 * the machine, which is emptied when the machine is destroyed.
 */
import { join } from 'node:path'
import { edits, type Lab, type LabHost } from '../../lab/definition.ts'
import { LabError } from '../../process/errors.ts'
import { uninterrupted } from '../../process/interruption.ts'
import { labCommand } from '../../process/lab-command.ts'
import type { Connection } from '../../ssh/connection.ts'
import { reach } from '../../ssh/reach.ts'
import type { Backend, BackendOptions, MachineState } from '../backend.ts'
import { accessIn, type Machine, machinesIn, type SshAccess } from './answers.ts'
import { machineFolder, madeFolder, recordedLab } from './record.ts'
import { isLocked, vagrant } from './vagrant.ts'

export function vagrantBackend(asked: BackendOptions): Backend {
  const { engine, engines, programs } = asked
  const labOf = () => recordedLab() ?? asked.lab
  /** This process made the machines: none existed before. */
  let made = false
  let answers: Promise<Answers> | undefined
  const destroy = () => uninterrupted(() => vagrant(['destroy', '--force']))

  return {
    name: 'vagrant',
    get lab() {
      return labOf()
    },
    fresh: false,
    outOfBand: true,
    prepare: () => [
      {
        title: 'virtual machines',
        run: async (say) => {
          refuseOtherHosts(asked)
          const before = await machines()
          made = [...before.values()].every(({ state }) => state === 'absent')
          await start(say, () => {
            made = false
          })
        },
      },
    ],
    engineOf: (host) => engines[host.name] ?? engine,
    programs,
    checks: async () => (await import('./doctor.ts')).vagrantChecks(labOf()),
    boot: async () => undefined, // all were started together
    complete(stays) {
      if (stays) made = false
    },
    async abandon() {
      if (made) await destroy()
    },
    async down() {
      const there = [...(await states()).values()].some((state) => state !== 'absent')
      if (there) await destroy()
      return there
    },
    async states() {
      refuseIfExplicit(asked)
      return states()
    },
    async connect(host) {
      refuseIfExplicit(asked)
      answers ??= ask(labOf())
      try {
        return await connectTo(host, await accessTo(host, await answers))
      } catch (error) {
        answers = undefined // a machine that was started again may have another address or port
        throw error
      }
    },
  }
}

/**
 * The steps come from here, and not from the Vagrantfile's trigger, which would start this script again.
 * `locked` is called where another process is making the machines.
 */
async function start(say: (line: string) => void, locked: () => void): Promise<void> {
  try {
    await vagrant(['up', '--no-provision'], { say })
  } catch (error) {
    if (isLocked(error)) locked()
    throw error
  }
}

function refuseOtherHosts(asked: BackendOptions): void {
  const recorded = recordedLab()
  const changes = recorded ? edits(recorded, asked) : []
  if (changes.length === 0) return
  throw new LabError(
    `there are virtual machines of other hosts than ${asked.lab.source} says: ${changes.join('; ')}`,
    { hint: `take them down first: ${labCommand} down --backend vagrant; or undo the edit` },
  )
}

/** Who names a list means its hosts. Without one the machines are used as they are. */
function refuseIfExplicit(asked: BackendOptions): void {
  if (asked.explicit) refuseOtherHosts(asked)
}

async function machines(): Promise<Map<string, Machine>> {
  return machinesIn(await vagrant(['status', '--machine-readable']))
}

async function states(): Promise<Map<string, MachineState>> {
  return new Map([...(await machines())].map(([name, { state }]) => [name, state]))
}

interface Answers {
  access: Map<string, SshAccess>
  /** Empty unless a machine has no access. */
  states: Map<string, MachineState>
}

/** Vagrant takes a second or two for each question, so all machines are asked about at once. */
async function ask(lab: Lab): Promise<Answers> {
  // ssh-config fails at the first machine that does not run; the machines before it are in its output.
  const access = accessIn(await vagrant(['ssh-config'], { partial: true }))
  const whole = lab.hosts.every((host) => access.has(host.name))
  return { access, states: whole ? new Map() : await states() }
}

async function accessTo(host: LabHost, answers: Answers): Promise<SshAccess> {
  const access = answers.access.get(host.name)
  if (access) return access
  const state = answers.states.get(host.name) ?? 'not in the Vagrantfile'
  if (state !== 'running') {
    throw new LabError(`${host.name} is ${state}`, { hint: `${labCommand} up --backend vagrant` })
  }
  const own = accessIn(await vagrant(['ssh-config', host.name])).get(host.name)
  if (own) return own
  throw new LabError(`vagrant ssh-config does not list ${host.name}`, {
    hint: `see its output: vagrant ssh-config ${host.name}; vagrant reload ${host.name} starts the machine again`,
  })
}

function connectTo(host: LabHost, access: SshAccess): Promise<Connection> {
  const folder = machineFolder(host.name)
  const made = madeFolder(folder)
  if (made === undefined) {
    throw new LabError(`${folder} has no machine, but vagrant ssh-config lists it`, {
      hint: 'set VAGRANT_CWD and VAGRANT_DOTFILE_PATH as they were when it was made',
    })
  }
  const knownHosts = join(made, 'known_hosts')
  return reach(host.name, { ...access, knownHosts, acceptNew: true }, 'vagrant ssh-config')
}
