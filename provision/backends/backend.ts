/**
 * What makes machines. Everything after that (provisioning, scenarios, exec) is the same over ssh.
 */

import type { Work } from '../cli/progress.ts'
import type { LabHost } from '../lab/hosts.ts'
import type { Secrets } from '../lab/secrets.ts'
import type { Connection } from '../ssh/connection.ts'
import type { NetworkFaults } from './faults.ts'

/**
 * `absent`: not made; `stopped`: made, and off; `broken`: there, and of no use until it is made anew;
 * `unreachable`: does not let us in.
 */
export type MachineState = 'running' | 'stopped' | 'broken' | 'absent' | 'unreachable'

export const backends = ['nspawn', 'vagrant', 'ssh'] as const
export type BackendName = (typeof backends)[number]

export interface Backend {
  name: BackendName
  /** A run of scenarios gets machines that are made for it, and gone after it. */
  fresh: boolean
  /** Hosts are reached by another way than the lab's network. */
  outOfBand: boolean
  /** What comes before the hosts: packages, images, the network. */
  prepare(): Work[]
  /** Makes the machine if it is not there; resolves when ssh answers. */
  boot(host: LabHost): Promise<void>
  /** The lab is whole now; `stays` when it outlives this process. */
  complete(stays: boolean): void
  /** Gives up what this process made: a lab that it began goes again; machines that were there before stay. */
  abandon(): Promise<void>
  /** Takes down whatever there is of the lab; resolves when nothing is left, with whether there was something. */
  down(): Promise<boolean>
  /** State of each host, by name. */
  states(): Promise<ReadonlyMap<string, MachineState>>
  connect(host: LabHost): Promise<Connection>
  /** Consul asks for tokens and speaks TLS. */
  readonly secure?: boolean
  /** Of a lab whose Consul asks for tokens and speaks TLS; resolves with nothing where it does not. */
  secrets?(): Promise<Secrets | undefined>
  /** Faults of the network between the hosts, where there is a switch to make them in. */
  faults?: NetworkFaults
  /** Pulls the plug of a host that is to be started again as it was, and does that. */
  power?: Power
}

export interface Power {
  off(host: LabHost): Promise<void>
  /** Resolves when ssh answers. */
  on(host: LabHost): Promise<void>
}
