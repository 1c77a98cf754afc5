/**
 * The overlays that are compared, all on the same two hosts at once: Swarm's attachable one and this driver's
 * two kinds.
 *
 * Their VXLAN ids differ (Swarm counts from 4097, we from 256), so they share UDP port 4789 and its socket.
 * Everything calls the real command by its path, so that no wrapper is measured.
 */
import { imageName } from '../../provision/lab/definition.ts'
import type { Host } from '../../scenarios/kit/host.ts'
import { isOurs, type Ours, type Peer } from './samples.ts'

export type OverlayPeer = 'swarm' | Ours

export interface Pair {
  net1: Host
  net2: Host
}

export interface Overlay {
  peer: OverlayPeer
  /** Words of `docker network create`. */
  args: readonly string[]
  /** A network that has a container on each host all the time. */
  warm: string
  /** The first two bytes of its pool's addresses. */
  prefix: string
}

export const overlays: readonly Overlay[] = [
  overlay('swarm', ['-d', 'overlay', '--attachable'], '10.71'),
  overlay('multihost', ['-d', 'vxlan', '--ipam-driver', 'vxlan'], '10.72'),
  overlay('macvlan', ['-d', 'vxlan', '--ipam-driver', 'vxlan', '-o', 'datapath=macvlan'], '10.73'),
]

function overlay(peer: OverlayPeer, args: string[], prefix: string): Overlay {
  return { peer, args, warm: `warm-${peer}`, prefix }
}

export const image = imageName
/** Of iperf3, and of the echo of single bytes. */
export const ports = { iperf: 5201, echo: 5202 }
/** The same of the bridge's container, on its host. */
export const published = { iperf: 5301, echo: 5302 }
const publishedPorts = [
  `-p=${published.iperf}:${ports.iperf}`,
  `-p=${published.iperf}:${ports.iperf}/udp`,
  `-p=${published.echo}:${ports.echo}`,
]
/** The container that keeps a warm network in use, and has iperf3 in it. */
export const anchor = (peer: Peer): string => `anchor-${peer}`

/**
 * The networks and anchors of all overlays, and the engine's bridge with its ports published. They go with
 * the scope.
 */
export async function raiseOverlays(pair: Pair): Promise<AsyncDisposable> {
  const { net1, net2 } = pair
  for (const { peer, args, warm, prefix } of overlays) {
    await net1.succeed`/usr/bin/docker network create ${args} --subnet ${prefix}.0.0/16 ${warm}`
    if (isOurs(peer)) await net2.waitUntilSucceeds`/usr/bin/docker network inspect ${warm} > /dev/null`
    for (const host of [net1, net2])
      await host.succeed`/usr/bin/docker run -d --name ${anchor(peer)} --network ${warm} ${image} iperf3 -s`
  }
  for (const host of [net1, net2])
    await host.succeed`/usr/bin/docker run -d --name ${anchor('bridge')} ${publishedPorts} ${image} iperf3 -s`
  return { [Symbol.asyncDispose]: () => lowerOverlays(pair) }
}

async function lowerOverlays({ net1, net2 }: Pair): Promise<void> {
  for (const host of [net1, net2]) await host.run`/usr/bin/docker rm -f ${anchor('bridge')}`
  for (const { peer, warm } of overlays) {
    for (const host of [net1, net2]) await host.run`/usr/bin/docker rm -f ${anchor(peer)}`
    await removeNetwork(net1, warm)
  }
}

/** Again and again: another host may still be saying that its last container has left. */
export async function removeNetwork(host: Host, name: string): Promise<void> {
  await host.waitUntilSucceeds`/usr/bin/docker network rm ${name} > /dev/null 2>&1; ! /usr/bin/docker network inspect ${name} > /dev/null 2>&1`
}

export async function addressOf(host: Host, container: string): Promise<string> {
  const ask = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'
  return host.succeed`/usr/bin/docker inspect -f ${ask} ${container}`
}

export async function pidOf(host: Host, container: string): Promise<string> {
  return host.succeed`/usr/bin/docker inspect -f ${'{{.State.Pid}}'} ${container}`
}
