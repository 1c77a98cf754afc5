/**
 * What makes machines. All that comes after it (provisioning, scenarios, exec) is the same over ssh.
 */
import type { Work } from '../cli/progress.ts'
import type { Programs } from '../images/programs.ts'
import type { Lab, LabHost } from '../lab/definition.ts'
import type { Secrets } from '../lab/secrets.ts'
import type { Connection } from '../ssh/connection.ts'
import type { Check } from './checks.ts'
import type { NetworkFaults } from './faults.ts'

/**
 * `absent`: not made; `stopped`: made, and off; `broken`: must be made anew; `unreachable`: refuses our
 * login.
 */
export type MachineState = 'running' | 'stopped' | 'broken' | 'absent' | 'unreachable'

export const backends = ['nspawn', 'vagrant', 'ssh'] as const
export type BackendName = (typeof backends)[number]

export interface BackendOptions {
  /** Name of the lab; for nspawn. */
  name: string
  /** The hosts that were asked for, or the default ones. */
  lab: Lab
  /** The hosts were asked for on the command line. */
  explicit: boolean
  /** Engine of all hosts, and of single ones that differ. */
  engine?: string | undefined
  engines: Readonly<Record<string, string>>
  secure: boolean
  /** File of an inventory; for ssh. */
  inventory: string
  programs: Programs
}

export interface Backend {
  name: BackendName
  /** Its hosts: those of the lab that is up, otherwise those that `boot` would make. */
  readonly lab: Lab
  /** True when each run of scenarios makes its own machines and removes them. */
  fresh: boolean
  /** True when hosts are reached by another way than the lab's network. */
  outOfBand: boolean
  /** Work before the hosts: packages, images, the network. */
  prepare(): Work[]
  /** Makes the machine if it is not there; resolves when ssh answers. */
  boot(host: LabHost): Promise<void>
  /** The Docker engine that was asked for on the host: `28`; undefined when none was. */
  engineOf(host: LabHost): string | undefined
  /** Programs of --engine-from and --consul-from. */
  readonly programs: Programs
  /** Records that the lab is complete; `stays` when it outlives this process. */
  complete(stays: boolean): void
  /** Removes what this process made. Machines that were there before stay. */
  abandon(): Promise<void>
  /** Takes the lab down; resolves when nothing of it is left, with whether there was a lab. */
  down(): Promise<boolean>
  /** Throws where the lab that is up is another one than was asked for. Absent where other calls do. */
  refuseChanges?(): void
  /** Throws where no lab is up. Absent where the machines are not the backend's to make. */
  refuseAbsent?(): void
  /** Throws while another process owns the lab. Absent where a lab has no owner. */
  refuseOthers?(): void
  /** Makes this process the owner of a lab that is up, until the returned function is called. */
  own?(): () => void
  /** State of each host, by name. */
  states(): Promise<ReadonlyMap<string, MachineState>>
  connect(host: LabHost): Promise<Connection>
  /** What `lab doctor` looks at. */
  checks(): Promise<readonly Check[]>
  /** Consul asks for tokens and speaks TLS. */
  readonly secure?: boolean
  /** Of a secure lab; resolves with undefined otherwise. */
  secrets?(): Promise<Secrets | undefined>
  /** Faults of the network between the hosts, where the backend has a switch for them. */
  faults?: NetworkFaults
  /** Switches a host off as a power failure does, and on again. */
  power?: Power
}

export interface Power {
  off(host: LabHost): Promise<void>
  /** Resolves when ssh answers. */
  on(host: LabHost): Promise<void>
}
