/**
 * The kernel as the datapath loop sees it: observe one network's namespace, apply operations.
 *
 * Two implementations pass one contract suite (test/fixtures/kernel-contract.ts): the real one (`ip`,
 * `bridge`, namespaces), and a fake for tests of the loop, which prints like `ip`.
 */
import type { Observed, Op, ProvenOp } from '../core/datapath/datapath.ts'
import type { HostAddress } from '../core/datapath/vtep-choice.ts'
import type { ForeignVxlan, Ip } from '../core/records.ts'
import type { Route } from '../core/routes.ts'
import type { FilterCounts, TunnelFilter } from '../core/tunnels/filter.ts'
import type { Redirect } from './redirect.ts'
import type { KernelWatch } from './watch.ts'

export interface Kernel {
  /**
   * The content of the namespace, or `undefined` when the namespace does not exist. Throws `kernel` when the
   * content cannot be determined: unknown is never empty.
   */
  observe(namespace: string): Promise<Observed | undefined>
  /** The namespaces of the folder that carry the driver's mark (the alias of their `lo`), and are no container's. */
  namespaces(): Promise<string[]>
  /**
   * Container ends of our links that are in the host's namespace: Docker has not moved them into a container
   * yet, or the container is gone.
   */
  strayLinks(): Promise<string[]>
  /**
   * Applies the operations in order. Throws `kernel` with the failed operation and the kernel's message. A
   * refused FDB or neighbour entry stops nothing: the answer lists these.
   */
  apply(ops: readonly ProvenOp[]): Promise<Refusal[]>
  /**
   * Destinations in this host's main routing table, without default routes. The same list while they are the
   * same.
   */
  routes(): Promise<readonly Route[]>
  /**
   * VXLAN devices of other programs: in this host's namespace, and in those of Docker Swarm's networks.
   * Throws `kernel`.
   */
  foreignVxlans(): Promise<ForeignVxlan[]>
  /** The global addresses of this host's interfaces. */
  addresses(): Promise<HostAddress[]>
  /**
   * Gives this host the address, and leads its port to another of its ports. Does nothing where all is in
   * place. Returns how many questions of containers were led there since; undefined where they are not
   * counted.
   */
  redirect(of: Redirect): Promise<number | undefined>
  /** Undoes `redirect`. Does nothing where nothing is in place. */
  removeRedirect(of: Redirect): Promise<void>
  /** Makes the filter of tunnel packets that `wanted` names when it is given what is there; `undefined`: none. */
  tunnelFilter(wanted: (have: TunnelFilter | undefined) => TunnelFilter | undefined): Promise<FilterCounts>
  /**
   * Calls `changed` for each change of links, and of entries in a network's namespace or of addresses in the
   * host's (`host`), this driver's own among them. The watch must be closed before the namespace is removed.
   * `flooded`: it is about to end, because more than `mostMisses` lookups in a second found nothing.
   */
  watch(where: string, changed: () => void, flooded?: () => void): KernelWatch
  /**
   * Mounts a namespace that was unmounted at its path again, as long as the watch in it holds it. False when
   * nothing holds it: it is gone. Throws `kernel` when it cannot be mounted.
   */
  remount(namespace: string, watch: KernelWatch): Promise<boolean>
  /**
   * Calls `changed` soon after a change of the rules that `redirect` and `tunnelFilter` make, this driver's
   * own among them.
   */
  watchRules(changed: () => void): Pick<KernelWatch, 'close'>
  close(): Promise<void>
}

/** An entry that the kernel does not take, while the device is there. */
export interface Refusal {
  op: Op
  /** The kernel's message. */
  words: string
}

export interface Underlay {
  device: string
  address: Ip
  mtuBytes: number
}
