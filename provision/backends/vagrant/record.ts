/**
 * The list of hosts that the machines were made of. record.rb writes it into Vagrant's folder, so that a
 * plain `vagrant up` records it too.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Lab, namesOf, parseLab } from '../../lab/definition.ts'
import { project } from './vagrant.ts'

/** Undefined where no machine of the recorded list exists. */
export function recordedLab(): Lab | undefined {
  const file = join(vagrantFolder(), 'multihost-lab.json')
  if (!existsSync(file)) return undefined
  const text = readFileSync(file, 'utf8')
  const lab = parseLab(text, file)
  if (!namesOf(lab).some((name) => madeFolder(machineFolder(name)))) return undefined
  return { ...lab, source: JSON.parse(text).source }
}

/** Vagrant's folder of the machine, which has one folder for each provider. */
export function machineFolder(name: string): string {
  return join(vagrantFolder(), 'machines', name)
}

/** The folder in it of the provider that has made the machine. Vagrant empties it when it destroys the machine. */
export function madeFolder(machine: string): string | undefined {
  const providers = existsSync(machine) ? readdirSync(machine) : []
  return providers.map((name) => join(machine, name)).find((folder) => existsSync(join(folder, 'id')))
}

function vagrantFolder(): string {
  return resolve(process.env.VAGRANT_CWD ?? project, process.env.VAGRANT_DOTFILE_PATH || '.vagrant')
}
