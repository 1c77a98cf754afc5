/**
 * What Vagrant answers, as plain data: `vagrant status --machine-readable` and `vagrant ssh-config`.
 *
 * Machine-readable lines are TIME,MACHINE,TYPE,DATA… with commas and newlines escaped. ssh-config is a block
 * of ssh_config(5) per machine. Source: hashicorp/vagrant lib/vagrant/ui.rb, templates/commands/ssh_config.
 */

import { LabError } from '../../process/errors.ts'
import type { MachineState } from '../backend.ts'

export interface Machine {
  state: MachineState
  provider: string
}

/** Machines of the Vagrantfile, by name. */
export function machinesIn(status: string): Map<string, Machine> {
  const machines = new Map<string, Machine>()
  for (const line of status.split(/\r?\n/)) {
    const [, name = '', type, data = ''] = line.split(',')
    const machine = machines.get(name) ?? { state: 'absent', provider: '' }
    if (type === 'provider-name') machines.set(name, { ...machine, provider: data })
    if (type === 'state') machines.set(name, { ...machine, state: stateOf(data) })
  }
  return machines
}

/** States of both providers, VirtualBox and libvirt. A machine in any other state is unusable as it is. */
function stateOf(word: string): MachineState {
  if (word === 'running') return 'running'
  if (word === 'not_created') return 'absent'
  return ['poweroff', 'shutoff', 'saved', 'paused', 'aborted', 'shutdown'].includes(word)
    ? 'stopped'
    : 'broken'
}

export interface SshAccess {
  address: string
  port: number
  user: string
  identityFile: string
}

/** How each machine that runs is reached, by name. */
export function accessIn(config: string): Map<string, SshAccess> {
  const blocks = config.split(/^Host /m).slice(1)
  return new Map(blocks.map((block) => accessOf(block)))
}

function accessOf(block: string): [string, SshAccess] {
  const [name = '', ...lines] = block.split(/\r?\n/).map((line) => line.trim())
  /** The first line with the key counts, as in ssh itself. */
  const value = (key: string): string => {
    const line = lines.find((each) => each.startsWith(`${key} `))
    if (line === undefined) {
      throw new LabError(`vagrant ssh-config has no ${key} for ${name}`, {
        hint: `see its output: vagrant ssh-config ${name}`,
      })
    }
    return line.slice(key.length + 1).replace(/^"(.*)"$/, '$1')
  }
  if (lines.some((line) => line.startsWith('ProxyCommand '))) {
    throw new LabError(`${name} is reached by a ProxyCommand, which the lab cannot use`, {
      hint: 'run the lab on the machine that the VMs are on',
    })
  }
  const [address, user, identityFile] = [value('HostName'), value('User'), value('IdentityFile')]
  return [name, { address, port: Number(value('Port')), user, identityFile }]
}
