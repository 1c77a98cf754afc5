/**
 * A network in a host's kernel: its namespace, which is named after the network's id on that host.
 */
import type { Host } from './host.ts'

export type Inside = (command: string) => Promise<string>

/** Returns a function that runs command lines in the network's namespace. */
export async function insideNetwork(host: Host, network: string): Promise<Inside> {
  const id = await host.succeed`/usr/bin/docker network inspect -f ${'{{.Id}}'} ${network}`
  const namespace = `/var/run/docker/netns/${id.slice(0, 12)}`
  return (command) => host.succeed`nsenter --net=${namespace} sh -c ${command}`
}

/** Of any driver whose networks have a namespace with a VXLAN device: Swarm's overlay is one, too. */
export async function vniOn(host: Host, network: string): Promise<number> {
  const id = await host.succeed`/usr/bin/docker network inspect -f ${'{{.Id}}'} ${network}`
  const show = `nsenter --net=$(echo /var/run/docker/netns/*${id.slice(0, 10)}*) ip -j -d link show type vxlan`
  const [vxlan] = JSON.parse(await host.succeed`sh -c ${show}`)
  return vxlan.linkinfo.info_data.id
}

/** 02:42 and the four bytes of the address. */
export function macOf(address: string): string {
  const bytes = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'))
  return ['02', '42', ...bytes].join(':')
}
