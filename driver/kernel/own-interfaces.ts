/** The addresses of this host's interfaces. Source: os.networkInterfaces(), getifaddrs(3). */
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'

/** Undefined when the system does not say (EMFILE, ENOBUFS). */
export function ownInterfaces(): NetworkInterfaceInfo[] | undefined {
  try {
    return Object.values(networkInterfaces()).flatMap((all) => all ?? [])
  } catch {
    return undefined
  }
}
