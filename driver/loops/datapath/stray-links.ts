/**
 * Container ends of our links that are left in the host's namespace: their container is gone.
 *
 * Docker puts an end back there when a container leaves a network. The end of a veth pair goes with its port
 * in the network's namespace. A macvlan child has no port, and may come back after the loop has looked for
 * it. An end stays while the store has its endpoint, or the endpoint is on its way into a container.
 */
import { containerEndName } from '../../core/datapath/desired.ts'
import type { UnderWay } from '../../core/endpoints/life.ts'
import { kernelShows } from '../../core/knowledge.ts'
import type { HostName } from '../../core/records.ts'
import { endpointsOnHost } from '../../core/snapshot.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Log } from '../../log.ts'
import type { Store } from '../../store/store.ts'

export interface StrayLinksParts extends Pick<UnderWay, 'arriving'> {
  kernel: Pick<Kernel, 'strayLinks' | 'apply'>
  store: Pick<Store, 'snapshot'>
  host: HostName
  log: Log
}

export async function removeStrayLinks(parts: StrayLinksParts): Promise<void> {
  const { kernel, store, host, arriving, log } = parts
  const found = await kernel.strayLinks()
  // Read after the kernel was asked: a link that was found has its endpoint in the store by then.
  const recorded = endpointsOnHost(store.snapshot(), host).map(({ value }) => value.id)
  const used = new Set([...recorded, ...arriving()].map(containerEndName))
  const ends = found.filter((end) => !used.has(end))
  if (ends.length === 0) return
  const proof = kernelShows('the link is in the host’s namespace, and in no container')
  await kernel.apply(ends.map((port) => ({ op: 'child-del', namespace: 'host', port, proof })))
  log.info({ ends }, 'links that are in no container any more are removed')
}
