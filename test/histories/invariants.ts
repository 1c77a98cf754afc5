/**
 * What must hold at every moment, under every fault: no operation takes the link of a container that its
 * engine runs, or another host's way to it; and no two running containers of a network have one address.
 */
import { basename } from 'node:path'
import type { Op } from '../../driver/core/datapath/datapath.ts'
import { containerEndName } from '../../driver/core/datapath/desired.ts'
import type { Attachment, Dockerd } from '../fixtures/dockerd.ts'
import type { FakeKernel } from '../fixtures/fake-kernel.ts'

interface Host {
  name: string
  vtep: string
  docker: Pick<Dockerd, 'nameOf'>
  kernel: Pick<FakeKernel, 'contents'>
  /** Containers between the end of `docker run` and the begin of `docker stop`. */
  running: ReadonlyMap<string, Attachment>
  /** Removed from the cluster while its containers run: the other hosts forget them until it is back. */
  isEvicted: boolean
  /** Ids of all endpoints that the host has had a record of. */
  knew: ReadonlySet<string>
}

export function takenLinks({ name: host, running }: Host, op: Op): string[] {
  const isTaken = ({ network, endpoint }: Attachment): boolean => {
    if (op.op === 'namespace-del' || op.op === 'vxlan-del') return op.namespace.endsWith(network.slice(0, 12))
    if (op.op !== 'veth-del' && op.op !== 'child-del') return false
    return op.port.slice(-8) === containerEndName(endpoint).slice(-8)
  }
  return [...running].flatMap(([name, at]) =>
    isTaken(at) ? [`${host}: ${op.op} takes the link of ${name}, which runs`] : [],
  )
}

/**
 * Entries of vxlan1 that the containers of this host use to reach a container of another host. `op` has not
 * changed the kernel yet.
 */
export function takenEntries(hosts: readonly Host[], host: Host, op: Op): string[] {
  if (op.op !== 'fdb-del' && op.op !== 'neighbour-del') return []
  const isHere = ({ network }: Attachment): boolean => network.startsWith(basename(op.namespace))
  const here = [...host.running.values()].find(isHere)
  if (here === undefined) return []
  const network = host.docker.nameOf(here.network)
  const fdb = host.kernel.contents(op.namespace)?.fdb ?? []
  // Its address may have been another one's a moment ago: a container that the host does not know of, or that
  // has no FDB entry, was not reached for its own sake.
  const isTaken = (other: Host, { endpoint, v4, mac }: Attachment): boolean =>
    host.knew.has(endpoint) &&
    fdb.some((entry) => entry.mac === mac && entry.vtep === other.vtep) &&
    (op.op === 'fdb-del' ? op.mac === mac && op.vtep === other.vtep : op.ip === v4)
  return hosts.flatMap((other) =>
    [...other.running].flatMap(([name, at]) => {
      const isPeer = other !== host && !other.isEvicted && other.docker.nameOf(at.network) === network
      return isPeer && isTaken(other, at) ? [`${host.name}: ${op.op} cuts ${name} of ${other.name} off`] : []
    }),
  )
}

export function sharedAddresses(hosts: readonly Host[]): string[] {
  const holders = new Map<string, string>()
  return hosts.flatMap(({ name, docker, running }) =>
    [...running].flatMap(([container, { network, v4 }]) => {
      const key = `${docker.nameOf(network)} ${v4}`
      const other = holders.get(key)
      holders.set(key, `${container} on ${name}`)
      return other === undefined ? [] : [`${key} is held by ${other} and by ${container} on ${name}`]
    }),
  )
}
