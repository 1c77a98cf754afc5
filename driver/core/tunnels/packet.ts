/**
 * A probe of the tunnel between two hosts, as the datagram that is sent to the peer's VXLAN port.
 *
 * The driver writes the VXLAN header and the inner frame itself, so that no device, FDB entry or neighbour is
 * needed to send. Every host receives probes at the same inner address, on a device of its own with VNI 0,
 * which no network has. The sender's VTEP and a random number are in the message. An answer is as long as its
 * question. RFC 7348 §5.
 */
import { type Family, familyOf, formatIp, parseIp } from '../ip.ts'
import type { Ip, Mac } from '../records.ts'
import { checksum, writeEthernetHeader, writeVxlanHeader } from './headers.ts'

/** Of the device that receives probes: on each host the same. RFC 3927 addresses, in a namespace of their own. */
export const probeDevice = {
  name: 'mhprobe',
  vni: 0,
  port: 4789,
  mac: '02:42:6d:68:70:01' as Mac,
  ip: '169.254.77.1',
  prefixLength: 30,
  udpPort: 4789,
}
const sender = { mac: '02:42:6d:68:70:02' as Mac, ip: '169.254.77.2' }

export interface ProbeMessage {
  /**
   * `leaving`: the driver of the sender stops and answers no more. `endpoints`: its text has endpoints of the
   * sender.
   */
  kind: 'question' | 'answer' | 'leaving' | 'endpoints'
  /** The sender's VTEP. */
  from: Ip
  /** Of the question, 16 hex digits. */
  nonce: string
  /** UDP port of the socket that the sender's driver sends from. Absent from an older driver. */
  driverPort?: number
  /** What follows the nonce, in a message of the kind `endpoints`. */
  text?: string
}

/** In the order of their numbers in the message. A driver ignores the kinds that it does not know. */
const kinds = ['question', 'answer', 'leaving', 'endpoints'] as const
const magic = 0x6d687470
const messageBytes = 30
/** Where the port is, in messages without a text. The shortest probe is longer. */
const portAt = messageBytes
/** VXLAN, Ethernet, IPv4, UDP. */
const headerBytes = 8 + 14 + 20 + 8

/** The smallest outer packet. */
export const smallProbeBytes = 200

/** Length of the message that makes an outer IP packet of that many bytes. */
export function messageLength(outerBytes: number, family: Family): number {
  const outerHeaders = (family === 6 ? 40 : 20) + 8
  return Math.max(messageBytes, outerBytes - outerHeaders - headerBytes)
}

/** The datagram of a message with a text. */
export function textPacket(message: ProbeMessage & { text: string }): Buffer {
  return probePacket(message, messageBytes + Buffer.byteLength(message.text))
}

/** The datagram for the peer's VXLAN port; `length` is that of the message with its padding. */
export function probePacket(message: ProbeMessage, length: number): Buffer {
  const packet = Buffer.alloc(headerBytes + length)
  writeVxlanHeader(packet, probeDevice.vni)
  writeEthernetHeader(packet, { to: probeDevice.mac, from: sender.mac, type: 0x0800 })
  writeIpHeader(packet, 22, 20 + 8 + length)
  packet.writeUInt16BE(probeDevice.udpPort, 42)
  packet.writeUInt16BE(probeDevice.udpPort, 44)
  // No UDP checksum: IPv4 allows it (RFC 768).
  packet.writeUInt16BE(8 + length, 46)
  writeMessage(packet, headerBytes, message)
  return packet
}

/** Undefined for what is not a probe. */
export function readMessage(data: Buffer): ProbeMessage | undefined {
  if (data.length < messageBytes || data.readUInt32BE(0) !== magic) return undefined
  const kind = kinds[data.readUInt8(4)]
  const family = data.readUInt8(5) === 6 ? 6 : 4
  if (kind === undefined) return undefined
  const digits = data
    .subarray(6, 22)
    .toString('hex')
    .slice(family === 6 ? 0 : 24)
  const from = formatIp({ family, value: BigInt(`0x${digits}`) })
  const nonce = data.subarray(22, 30).toString('hex')
  if (kind === 'endpoints') return { kind, from, nonce, text: data.subarray(messageBytes).toString() }
  const driverPort = data.length < portAt + 2 ? 0 : data.readUInt16BE(portAt)
  return { kind, from, nonce, ...(driverPort > 0 && { driverPort }) }
}

function writeMessage(packet: Buffer, at: number, message: ProbeMessage): void {
  const { kind, from, nonce, driverPort, text = '' } = message
  packet.writeUInt32BE(magic, at)
  packet.writeUInt8(kinds.indexOf(kind), at + 4)
  packet.writeUInt8(familyOf(from), at + 5)
  packet.write(parseIp(from).value.toString(16).padStart(32, '0'), at + 6, 'hex')
  packet.write(nonce, at + 22, 'hex')
  packet.write(text, at + messageBytes)
  if (driverPort !== undefined) packet.writeUInt16BE(driverPort, at + portAt)
}

function writeIpHeader(packet: Buffer, at: number, totalBytes: number): void {
  packet.writeUInt8(0x45, at)
  packet.writeUInt16BE(totalBytes, at + 2)
  packet.writeUInt16BE(0x4000, at + 6) // don't fragment
  packet.writeUInt8(64, at + 8)
  packet.writeUInt8(17, at + 9) // UDP
  packet.writeUInt32BE(Number(parseIp(sender.ip).value), at + 12)
  packet.writeUInt32BE(Number(parseIp(probeDevice.ip).value), at + 16)
  packet.writeUInt16BE(checksum(packet.subarray(at, at + 20)), at + 10)
}
