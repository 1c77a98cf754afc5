/**
 * The headers of VXLAN packets that the driver writes itself. RFC 7348 §5.
 */
import type { Mac, Vni } from '../records.ts'

/** VXLAN and Ethernet: where the inner packet begins. */
export const innerOffset = 8 + 14

export function writeVxlanHeader(packet: Buffer, vni: Vni): void {
  packet.writeUInt8(0x08, 0) // the VNI is valid
  packet.writeUIntBE(vni, 4, 3)
}

export function writeEthernetHeader(
  packet: Buffer,
  { to, from, type }: { to: Mac; from: Mac; type: number },
): void {
  writeMac(packet, 8, to)
  writeMac(packet, 14, from)
  packet.writeUInt16BE(type, 20)
}

export function writeMac(packet: Buffer, at: number, mac: Mac): void {
  packet.write(mac.replaceAll(':', ''), at, 'hex')
}

/** RFC 1071. The length must be even. */
export function checksum(words: Buffer): number {
  let sum = 0
  for (let i = 0; i < words.length; i += 2) sum += words.readUInt16BE(i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
