/**
 * The kernel as the datapath loop sees it: observe one network's namespace, apply operations.
 *
 * Two implementations pass one contract suite (test/fixtures/kernel-contract.ts): the real one (`ip`, `bridge`, namespaces)
 * and a fake for tests of the loop, which prints like `ip`.
 */
import type { Observed, Op } from '../core/datapath/datapath.ts'
import type { Cidr, Ip } from '../core/records.ts'

export interface Kernel {
  /**
   * What is in the namespace now, or `undefined` when the namespace is not there. Throws `kernel` when it
   * cannot tell: unknown is never empty.
   */
  observe(namespace: string): Promise<Observed | undefined>
  /** Namespaces in the folder that carry the driver's mark (the alias of its `lo`). */
  namespaces(): Promise<string[]>
  /** Containers' ends of our links that are in the host's namespace: nobody has moved them into a container, or they are back. */
  strayLinks(): Promise<string[]>
  /** In order; throws `kernel` with the op that failed and the kernel's words. */
  apply(ops: readonly Op[]): Promise<void>
  /** Destinations that this host routes already, main table, default routes left out. */
  routes(): Promise<Cidr[]>
  /** The underlay end, by interface name or by CIDR (`--bind-interface`). Throws `invalid` naming the candidates. */
  underlay(bind: string): Promise<Underlay>
  close(): Promise<void>
}

export interface Underlay {
  device: string
  address: Ip
  mtuBytes: number
}
