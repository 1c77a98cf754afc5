/**
 * Which VNI a network gets: the one of `-o vni=`, or the lowest free one from 256, as in 2015.
 */
import { DriverError } from './errors.ts'
import type { Network, NetworkId, Vni } from './records.ts'

export const firstVni = 256
export const maxVni = 16_777_215

/** Throws `exhausted`. */
export function nextVni(taken: ReadonlySet<Vni>): Vni {
  for (let vni = firstVni; vni <= maxVni; vni++) {
    if (!taken.has(vni)) return vni
  }
  throw new DriverError('exhausted', `no free VNI: all of ${firstVni} … ${maxVni} are in use`)
}

/** Throws `invalid`. */
export function parseVni(text: string): Vni {
  const vni = /^\d{1,8}$/.test(text) ? Number(text) : 0
  if (vni < 1 || vni > maxVni) {
    throw new DriverError('invalid', `'${text}' is not a VNI`, { hint: `-o vni= allows 1 … ${maxVni}` })
  }
  return vni
}

/** The requested VNI. Throws `invalid`, or `taken` with the network that has it. */
export function checkVni(text: string, networks: Iterable<Pick<Network, 'id' | 'name' | 'vni'>>): Vni {
  const vni = parseVni(text)
  for (const network of networks) {
    if (network.vni === vni) throw vniTaken(vni, network.name ?? short(network.id))
  }
  return vni
}

function vniTaken(vni: Vni, network: string): DriverError {
  return new DriverError('taken', `VNI ${vni} belongs to network ${network}`, {
    hint: 'choose another, or omit -o vni= to get a free one',
  })
}

function short(id: NetworkId): string {
  return id.slice(0, 12)
}
