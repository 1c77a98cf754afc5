/**
 * What `multihost doctor` knows of a host and of the store: plain data, which the checks judge.
 */

import { asDriverError } from '../core/errors.ts'
import { jsonIn } from '../core/json.ts'
import type { Liveness } from '../core/liveness.ts'
import type { HostName, HostRecord } from '../core/records.ts'
import type { TunnelStatus } from '../core/tunnels/peers.ts'
import type { Underlay } from '../kernel/kernel.ts'
import type { LastAnnouncement } from '../store/store.ts'

/** An answer, or the error that came instead of it. */
export type Asked<T> = { found: T } | Failed

export interface Failed {
  failed: string
  hint?: string | undefined
}

export interface Facts {
  /** Each with the error of a trial in a network namespace of its own; undefined where the kernel can do it. */
  kernel: Record<KernelPart, string | undefined>
  /** `gc_thresh3` of IPv4 or IPv6, the lower one. Undefined where the kernel does not say. */
  neighbourLimit: number | undefined
  /** The kernel loads no module until the next boot (`kernel.modules_disabled`). */
  loadsNoModules: boolean
  /** Programs that the driver runs and that are not in PATH. */
  missingTools: string[]
  /** Places that `join` writes in, each with the error of the file system. Empty where a driver runs. */
  readOnly: { path: string; why: string }[]
  /** multihost.service is installed. */
  hasUnit: Asked<boolean>
  /** Places of the driver's options. Empty where the unit is not known. */
  outOfReach: OutOfReach[]
  engine: Asked<EngineFacts>
  /** Of daemon.json and the flags together. */
  docker: Asked<DockerOptions>
  /** Options of the driver that the checks compare with. */
  wanted: {
    addressPools: readonly string[]
    dnsAddress?: string
    bindInterface?: string
    filterIsOn: boolean
  }
  underlay: Asked<Underlay>
  vxlanPort: Asked<PortFacts>
  /** Of the driver on this host, by a question to each host of the cluster. Undefined where no driver runs. */
  tunnels: Asked<TunnelStatus[]> | undefined
  /** Undefined where no store is named. */
  store: StoreFacts | undefined
  /** This host has a name in a cluster, and its options are gone. */
  optionsGone?: Failed | undefined
}

/** What the unit's protection of the file system keeps from the driver. */
export interface OutOfReach {
  /** As a word, `--name=path`. */
  option: string
  /** Where the path leads to. */
  place: string
  /** `sight`: the unit has another, empty folder there. */
  lacks: 'sight' | 'write'
}

export type KernelPart = 'namespaces' | 'vxlan' | 'bridge' | 'veth' | 'nf_tables'

export interface EngineFacts {
  version: string
  /** What answers in the place of an engine whose unit is docker.service. */
  standIn: StandIn | undefined
  /** `iptables`, `nftables`, …; engines before 29 do not say. */
  firewall: string
  inSwarm: boolean
  hasUserns: boolean
  isRootless: boolean
  isLiveRestore: boolean
  /** `net.ipv4.ip_forward`, as the engine sees it. */
  isForwarding: boolean
}

export type StandIn = 'podman' | 'snap' | 'desktop'

export interface DockerOptions {
  dns: string[]
  dataRoot: string | undefined
  addressPools: string[]
}

export interface PortFacts {
  /** The error of a trial to receive VXLAN packets; undefined where it succeeded, or the driver does so already. */
  trial: string | undefined
  /** VXLAN devices of the host's namespace on the port. */
  devices: string[]
  /** A process has a socket of its own on the port. */
  hasProcess: boolean
}

export interface StoreFacts {
  /** As `status` shows it. */
  url: string
  /** The body of Consul's answer to the question who leads. */
  leader: Asked<string>
  /** What the other servers say that do not answer. */
  silent: string[]
  /** The bodies of other servers that differ from `leader`. */
  others: string[]
  /** This host's clock minus Consul's. Consul tells full seconds: the middle of the second is taken. */
  clockOffsetMs: number | undefined
  /** Until the first certificate of the servers ends. Absent without TLS. */
  certificateLeftMs?: number | undefined
  /** Value of the key `cluster`; undefined without one. */
  cluster: Asked<string | undefined>
  /** The cluster that this host's state folder names. */
  ownCluster: string | undefined
  rights: Rights
  name: NameFacts
  hosts: Asked<HostFacts>
}

/** Each with the store's refusal; undefined where the trial succeeded. */
export interface Rights {
  session: string | undefined
  write: string | undefined
  list: string | undefined
  /** Claim this host's name. */
  claim: string | undefined
}

export interface NameFacts {
  name: string
  /** This host's id in its state folder. */
  id: string | undefined
  /** Undefined where the name is free. */
  holder: Asked<LastAnnouncement | undefined>
}

export interface HostFacts {
  records: ReadonlyMap<HostName, HostRecord>
  liveness: Liveness
}

export async function asked<T>(question: () => Promise<T>): Promise<Asked<T>> {
  try {
    return { found: await question() }
  } catch (error) {
    const { message, hint } = asDriverError(error)
    return { failed: message, hint }
  }
}

export function foundIn<T>(answer: Asked<T>): T | undefined {
  return 'found' in answer ? answer.found : undefined
}

export function failureIn(answer: Asked<unknown>): string | undefined {
  return 'failed' in answer ? answer.failed : undefined
}

/** Of `StoreFacts.leader`. Undefined for what no Consul answers; empty without a leader. */
export function leaderIn(body: string): string | undefined {
  const value = jsonIn(body)
  return typeof value === 'string' ? value : undefined
}
