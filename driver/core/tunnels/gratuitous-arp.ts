/**
 * Tells the containers of a network on this host that an address has another MAC, as a VXLAN packet of that
 * network.
 *
 * A neighbour cache keeps an address for a minute and longer, and asks again only at the end: a gratuitous
 * ARP request (RFC 5227 §3) or an unsolicited neighbour advertisement (RFC 4861 §7.2.6) changes the entry
 * that is there, and makes none.
 */
import { familyOf, parseIp } from '../ip.ts'
import type { Ip, Mac, Vni } from '../records.ts'
import { checksum, innerOffset, writeEthernetHeader, writeMac, writeVxlanHeader } from './headers.ts'

export interface AddressMove {
  vni: Vni
  ip: Ip
  mac: Mac
  /**
   * The one container that gets it; all where absent. The container with the address must not: it would see a
   * duplicate.
   */
  to?: Mac
}

/** Of no container, so that a bridge that learns from the frame learns nothing of one. */
const from: Mac = '02:42:6d:68:70:02'
const everybody: Mac = 'ff:ff:ff:ff:ff:ff'
/** ff02::1, RFC 2464 §7. */
const allNodes: Mac = '33:33:00:00:00:01'

/** A gratuitous ARP request, or an unsolicited neighbour advertisement. */
export function gratuitousArp(what: AddressMove): Buffer {
  return familyOf(what.ip) === 6 ? neighbourAdvertisement(what) : arpRequest(what)
}

function arpRequest({ vni, ip, mac, to = everybody }: AddressMove): Buffer {
  const packet = Buffer.alloc(innerOffset + 46)
  const at = innerOffset
  writeVxlanHeader(packet, vni)
  writeEthernetHeader(packet, { to, from, type: 0x0806 })
  packet.write('0001080006040001', at, 'hex') // Ethernet, IPv4, request
  const address = Number(parseIp(ip).value)
  writeMac(packet, at + 8, mac)
  packet.writeUInt32BE(address, at + 14)
  packet.writeUInt32BE(address, at + 24)
  return packet
}

function neighbourAdvertisement({ vni, ip, mac, to = allNodes }: AddressMove): Buffer {
  const bodyBytes = 32
  const packet = Buffer.alloc(innerOffset + 40 + bodyBytes)
  const at = innerOffset
  const address = parseIp(ip).value.toString(16).padStart(32, '0')
  writeVxlanHeader(packet, vni)
  writeEthernetHeader(packet, { to, from, type: 0x86dd })
  packet.writeUInt8(0x60, at)
  packet.writeUInt16BE(bodyBytes, at + 4)
  packet.writeUInt8(58, at + 6) // ICMPv6
  packet.writeUInt8(255, at + 7)
  packet.write(address, at + 8, 'hex')
  packet.write('ff020000000000000000000000000001', at + 24, 'hex')
  packet.writeUInt8(136, at + 40)
  packet.writeUInt8(0x20, at + 44) // override
  packet.write(address, at + 48, 'hex')
  packet.writeUInt8(2, at + 64) // target link-layer address
  packet.writeUInt8(1, at + 65)
  writeMac(packet, at + 66, mac)
  packet.writeUInt16BE(icmpChecksum(packet.subarray(at)), at + 42)
  return packet
}

/** Over the addresses, the length and the next header too. RFC 8200 §8.1. */
function icmpChecksum(ipPacket: Buffer): number {
  const body = ipPacket.subarray(40)
  const rest = Buffer.alloc(8)
  rest.writeUInt32BE(body.length, 0)
  rest.writeUInt8(58, 7)
  return checksum(Buffer.concat([ipPacket.subarray(8, 40), rest, body]))
}
