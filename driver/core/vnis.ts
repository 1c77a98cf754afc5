/**
 * Which VNI a network gets: the one of `-o vni=`, or the next free one after the last that a network got,
 * from 256.
 *
 * Numbers go round, so that a removed network's VNI rests. A host that is cut off from the store may still
 * send frames of that network, and must not reach the containers of the next one. Those from 4096 on come
 * last: Calico's device has 4096, and the networks of Docker Swarm begin at 4097.
 */
import { DriverError } from './errors.ts'
import type { ForeignVxlan, HostName, Network, NetworkId, Vni } from './records.ts'

const firstVni = 256
/** The first one that other programs choose by themselves. */
const firstOfOthers = 4096
export const maxVni = 16_777_215

/** `last`: the VNI that a network got last. Throws `exhausted`. */
export function nextVni(taken: Pick<ReadonlySet<Vni>, 'has'>, last = 0): Vni {
  const vni = nextIn(firstVni, firstOfOthers - 1, taken, last) ?? nextIn(firstOfOthers, maxVni, taken, last)
  if (vni !== undefined) return vni
  throw new DriverError('exhausted', `no free VNI: all of ${firstVni} … ${maxVni} are in use`)
}

/** The next free one of these after `last`; from `first` on where `last` is another number. */
function nextIn(first: Vni, end: Vni, taken: Pick<ReadonlySet<Vni>, 'has'>, last: Vni): Vni | undefined {
  const count = end - first + 1
  const start = last < first || last > end ? 0 : last - first + 1
  for (let i = 0; i < count; i++) {
    const vni = first + ((start + i) % count)
    if (!taken.has(vni)) return vni
  }
  return undefined
}

/** Throws `invalid`. */
export function parseVni(text: string): Vni {
  const vni = /^\d{1,8}$/.test(text) ? Number(text) : 0
  if (vni < 1 || vni > maxVni) {
    throw new DriverError('invalid', `'${text}' is not a VNI`, { hint: `-o vni= allows 1 … ${maxVni}` })
  }
  return vni
}

/** The requested VNI. Throws `invalid`, or `taken` with the network or the host's device that has it. */
export function checkVni(
  text: string,
  networks: Iterable<Pick<Network, 'id' | 'name' | 'vni'>>,
  foreign: Iterable<ForeignVxlan & { host: HostName }>,
): Vni {
  const vni = parseVni(text)
  for (const network of networks) {
    if (network.vni === vni)
      throw vniTaken(`VNI ${vni} belongs to network ${network.name ?? short(network.id)}`)
  }
  for (const { host, port, ...device } of foreign) {
    if (device.vni !== vni) continue
    throw vniTaken(
      `VNI ${vni} belongs to another program's VXLAN device on host ${host}, UDP port ${port}`,
      `; 'ip -d link show type vxlan' on ${host} shows the device`,
    )
  }
  return vni
}

function vniTaken(message: string, more = ''): DriverError {
  return new DriverError('taken', message, {
    hint: `choose another, or omit -o vni= to get a free one${more}`,
  })
}

function short(id: NetworkId): string {
  return id.slice(0, 12)
}
