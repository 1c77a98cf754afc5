/**
 * What makes machines. Everything after that (provisioning, scenarios, exec) is the same over ssh.
 */
import type { NetworkFaults } from './faults.ts'
import type { LabHost } from './hosts.ts'
import type { Work } from './progress.ts'
import type { Connection } from './ssh.ts'

export type MachineState = 'running' | 'broken' | 'absent'

export interface Backend {
  /** What comes before the hosts: packages, images, the network. */
  prepare(): Work[]
  /** Makes the machine if it is not there; resolves when ssh answers. */
  boot(host: LabHost): Promise<void>
  /** The lab is whole now; `stays` when it outlives this process. */
  complete(stays: boolean): void
  /** Making it failed: a lab that this process began goes again; one that was whole before stays. */
  abandon(): Promise<void>
  /** Takes down whatever there is of the lab; resolves when nothing is left. */
  down(): Promise<void>
  /** The lab exists, whole or not. */
  exists(): boolean
  state(host: LabHost): MachineState
  connect(host: LabHost): Promise<Connection>
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
