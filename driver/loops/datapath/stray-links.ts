/**
 * Containers' ends of our links that are in the host's namespace for nobody.
 *
 * Docker puts an end back there when a container leaves a network. A veth's goes with its port in the network's
 * namespace; a macvlan child has no port, and may come back after the loop has looked for it. One whose endpoint is in
 * the store is left alone: its Join may be under way.
 */
import { containerEndName } from '../../core/datapath/desired.ts'
import type { HostName } from '../../core/records.ts'
import { endpointsOnHost } from '../../core/snapshot.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Log } from '../../log.ts'
import type { Store } from '../../store/store.ts'

export interface StrayLinksParts {
  kernel: Pick<Kernel, 'strayLinks' | 'apply'>
  store: Pick<Store, 'snapshot'>
  host: HostName
  log: Log
}

export async function removeStrayLinks({ kernel, store, host, log }: StrayLinksParts): Promise<void> {
  const found = await kernel.strayLinks()
  // asked after the kernel: whatever was made by then has its endpoint in the store already
  const used = endpointsOnHost(store.snapshot(), host).map(({ value }) => containerEndName(value.id))
  const ends = found.filter((end) => !used.includes(end))
  if (ends.length === 0) return
  await kernel.apply(ends.map((port) => ({ op: 'child-del', namespace: 'host', port })))
  log.info({ ends }, 'links that no container has any more, removed')
}
