/**
 * Who on this machine holds addresses of the lab's network.
 */
import { Address4 } from 'ip-address'
import { network } from '../lab/hosts.ts'

/** The first route, the default one aside, that shares addresses with the lab's network. */
export function foreignRoute(routes: readonly { dst: string; dev?: string }[]) {
  return routes.find(({ dst }) => Address4.isValid(dst) && !dst.endsWith('/0') && shares(dst))
}

/** An interface's IPv4 addresses, as `ip -j address` tells them. */
export interface Interface {
  ifname: string
  addr_info: readonly { family: string; local: string; prefixlen: number }[]
}

/** Interfaces with an address whose network shares addresses with the lab's: `vboxnet0 192.168.33.1/25`. */
export function holders(interfaces: readonly Interface[]): { name: string; address: string }[] {
  return interfaces.flatMap(({ ifname, addr_info }) =>
    addr_info
      .filter(({ family }) => family === 'inet')
      .map(({ local, prefixlen }) => ({ name: ifname, address: `${local}/${prefixlen}` }))
      .filter(({ address }) => shares(address)),
  )
}

/** True when the subnet is the lab's network and no other. */
export function isLabs(subnet: string): boolean {
  const [theirs, labs] = [new Address4(subnet), new Address4(network)]
  return (
    theirs.startAddress().address === labs.startAddress().address && theirs.subnetMask === labs.subnetMask
  )
}

/** True when every address of the lab's network is in the subnet. */
export function covers(subnet: string): boolean {
  return Address4.isValid(subnet) && new Address4(network).isInSubnet(new Address4(subnet))
}

function shares(subnet: string): boolean {
  return covers(subnet) || new Address4(subnet).isInSubnet(new Address4(network))
}
