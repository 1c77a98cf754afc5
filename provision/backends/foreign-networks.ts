/**
 * Routes and interfaces of this machine that share addresses with the lab's network.
 */
import { Address4 } from 'ip-address'

/** The first route, the default one aside, that shares addresses with the lab's network. */
export function foreignRoute(network: string, routes: readonly { dst: string; dev?: string }[]) {
  return routes.find(
    ({ dst }) => Address4.isValid(dst) && !dst.endsWith('/0') && sharesAddresses(network, dst),
  )
}

/** An interface's IPv4 addresses, as `ip -j address` prints them. */
export interface Interface {
  ifname: string
  addr_info: readonly { family: string; local: string; prefixlen: number }[]
}

/** Interfaces with an address whose network shares addresses with the lab's: `vboxnet0 192.168.33.1/25`. */
export function holders(
  network: string,
  interfaces: readonly Interface[],
): { name: string; address: string }[] {
  return interfaces.flatMap(({ ifname, addr_info }) =>
    addr_info
      .filter(({ family }) => family === 'inet')
      .map(({ local, prefixlen }) => ({ name: ifname, address: `${local}/${prefixlen}` }))
      .filter(({ address }) => sharesAddresses(network, address)),
  )
}

/** True when the address's network is the lab's. */
export function isLabs(network: string, address: string): boolean {
  const [theirs, labs] = [new Address4(address), new Address4(network)]
  return (
    theirs.startAddress().address === labs.startAddress().address && theirs.subnetMask === labs.subnetMask
  )
}

/** True when the subnet contains every address of the lab's network. */
export function covers(network: string, subnet: string): boolean {
  return Address4.isValid(subnet) && new Address4(network).isInSubnet(new Address4(subnet))
}

function sharesAddresses(network: string, subnet: string): boolean {
  return covers(network, subnet) || new Address4(subnet).isInSubnet(new Address4(network))
}
