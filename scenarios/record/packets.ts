/**
 * What crossed the underlay, decoded: Ethernet, ARP, IPv4, IPv6, ICMP, UDP, TCP, and what VXLAN carries of them.
 * A frame that ends early is decoded as far as it goes.
 *
 * Sources: RFC 826, 791, 8200, 792, 4443, 768, 9293; RFC 7348 for VXLAN.
 */
import { Address6 } from 'ip-address'
import { frames } from './pcap.ts'

export interface Packet {
  /** Milliseconds since the epoch. */
  at: number
  /** The frame on the underlay. */
  outer: Frame
  /** When the outer frame is VXLAN: the network's identifier, and the containers' frame. */
  vni?: number
  inner?: Frame
}

export interface Frame {
  srcMac: string
  dstMac: string
  /** IP addresses; in ARP who asks (answers), and who is asked for (told). */
  src?: string
  dst?: string
  arp?: { operation: string; senderMac: string }
  /** `type` is its name, the same for IPv4 and IPv6: `echo request`. `id` and `seq` are of echoes only. */
  icmp?: { type: string; id?: number; seq?: number }
  udp?: Ports & { bytes: number }
  tcp?: Ports & { flags: string[] }
  /** What none of these is: an EtherType or an IP protocol, in words. */
  other?: string
}

interface Ports {
  srcPort: number
  dstPort: number
}

const vxlanPort = 4789

export function decode(pcap: Buffer): Packet[] {
  return frames(pcap).map(({ at, frame }) => ({ at, ...packet(frame) }))
}

/** `192.168.33.11 → 192.168.33.12 VXLAN 256 │ 172.21.0.2 → 172.21.0.3 ICMP echo request id 1 seq 1` */
export function show({ outer, vni, inner }: Omit<Packet, 'at'>): string {
  if (!inner) return showFrame(outer)
  return `${outer.src} → ${outer.dst} VXLAN ${vni} │ ${showFrame(inner)}`
}

function packet(bytes: Buffer): Omit<Packet, 'at'> {
  const { payload, ...outer } = ethernetFrame(bytes)
  if (outer.udp?.dstPort !== vxlanPort || payload.length < 8) return { outer }
  const vni = payload.readUIntBE(4, 3)
  const { payload: _, ...inner } = ethernetFrame(payload.subarray(8))
  return { outer, vni, inner }
}

type Layer = Partial<Frame> & { payload: Buffer }
const nothing = Buffer.alloc(0)

function ethernetFrame(bytes: Buffer): Frame & { payload: Buffer } {
  if (bytes.length < 14) return { srcMac: '', dstMac: '', payload: nothing }
  const type = bytes.readUInt16BE(12)
  const decoder = etherTypes.get(type)
  const other = { other: `EtherType 0x${type.toString(16).padStart(4, '0')}`, payload: nothing }
  return { dstMac: mac(bytes, 0), srcMac: mac(bytes, 6), ...(decoder?.(bytes.subarray(14)) ?? other) }
}

const etherTypes = new Map([
  [0x0800, ipv4],
  [0x0806, arp],
  [0x86dd, ipv6],
])

function arp(bytes: Buffer): Layer {
  if (bytes.length < 28) return cutOff('ARP')
  const operation = bytes.readUInt16BE(6) === 1 ? 'who has' : 'is at'
  return {
    arp: { operation, senderMac: mac(bytes, 8) },
    src: dotted(bytes, 14),
    dst: dotted(bytes, 24),
    payload: nothing,
  }
}

function ipv4(bytes: Buffer): Layer {
  if (bytes.length < 20) return cutOff('IPv4')
  const addresses = { src: dotted(bytes, 12), dst: dotted(bytes, 16) }
  const offset = (bytes.readUInt16BE(6) & 0x1fff) * 8
  if (offset > 0) return { ...addresses, other: `fragment from byte ${offset}`, payload: nothing }
  // Its own length, since a short frame is padded to 60 bytes.
  const payload = bytes.subarray((bytes.readUInt8(0) & 0x0f) * 4, bytes.readUInt16BE(2))
  return { ...addresses, ...transport(bytes.readUInt8(9), payload) }
}

function ipv6(bytes: Buffer): Layer {
  if (bytes.length < 40) return cutOff('IPv6')
  const addresses = { src: colons(bytes, 8), dst: colons(bytes, 24) }
  let next = bytes.readUInt8(6)
  let payload = bytes.subarray(40, 40 + bytes.readUInt16BE(4))
  // Hop-by-hop options: multicast listener reports have them, and nothing else on these networks has any.
  if (next === 0 && payload.length >= 8) {
    next = payload.readUInt8(0)
    payload = payload.subarray(8 + payload.readUInt8(1) * 8)
  }
  return { ...addresses, ...transport(next, payload) }
}

function transport(protocol: number, bytes: Buffer): Layer {
  if (protocol === 1) return icmp(bytes, icmpTypes)
  if (protocol === 58) return icmp(bytes, icmp6Types)
  if (protocol === 17) return udp(bytes)
  if (protocol === 6) return tcp(bytes)
  return { other: `IP protocol ${protocol}`, payload: nothing }
}

const icmpTypes = new Map([
  [0, 'echo reply'],
  [3, 'destination unreachable'],
  [8, 'echo request'],
  [11, 'time exceeded'],
])
const icmp6Types = new Map([
  [1, 'destination unreachable'],
  [2, 'packet too big'],
  [128, 'echo request'],
  [129, 'echo reply'],
  [133, 'router solicitation'],
  [134, 'router advertisement'],
  [135, 'neighbour solicitation'],
  [136, 'neighbour advertisement'],
  [143, 'multicast listener report'],
])

function icmp(bytes: Buffer, names: ReadonlyMap<number, string>): Layer {
  if (bytes.length < 8) return cutOff('ICMP')
  const number = bytes.readUInt8(0)
  const type = names.get(number) ?? `type ${number}`
  if (!type.startsWith('echo')) return { icmp: { type }, payload: nothing }
  return { icmp: { type, id: bytes.readUInt16BE(4), seq: bytes.readUInt16BE(6) }, payload: nothing }
}

function udp(bytes: Buffer): Layer {
  if (bytes.length < 8) return cutOff('UDP')
  const length = bytes.readUInt16BE(4) - 8
  return { udp: { ...ports(bytes), bytes: length }, payload: bytes.subarray(8) }
}

const tcpFlags = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG']

function tcp(bytes: Buffer): Layer {
  if (bytes.length < 20) return cutOff('TCP')
  const set = bytes.readUInt8(13)
  const flags = tcpFlags.filter((_, bit) => set & (1 << bit))
  return { tcp: { ...ports(bytes), flags }, payload: nothing }
}

function ports(bytes: Buffer): Ports {
  return { srcPort: bytes.readUInt16BE(0), dstPort: bytes.readUInt16BE(2) }
}

function cutOff(what: string): Layer {
  return { other: `${what}, cut off`, payload: nothing }
}

function mac(bytes: Buffer, at: number): string {
  return [...bytes.subarray(at, at + 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}

function dotted(bytes: Buffer, at: number): string {
  return bytes.subarray(at, at + 4).join('.')
}

function colons(bytes: Buffer, at: number): string {
  return Address6.fromByteArray([...bytes.subarray(at, at + 16)]).correctForm()
}

function showFrame(frame: Frame): string {
  const { src, dst, srcMac, dstMac, arp, icmp, other } = frame
  if (arp?.operation === 'who has') return `ARP who has ${dst}? tell ${src}`
  if (arp) return `ARP ${src} is at ${arp.senderMac}`
  if (icmp) return `${src} → ${dst} ICMP ${icmp.type}${icmp.id === undefined ? '' : echo(icmp)}`
  if (frame.udp) return `${ends(frame, frame.udp)} UDP ${frame.udp.bytes} bytes`
  if (frame.tcp) return `${ends(frame, frame.tcp)} TCP ${frame.tcp.flags.join(' ')}`
  if (dstMac === '') return 'cut off'
  return `${src ?? srcMac} → ${dst ?? dstMac} ${other}`
}

function echo({ id, seq }: { id?: number; seq?: number }): string {
  return ` id ${id} seq ${seq}`
}

/** `10.0.0.2:80`, and with IPv6 `[fd00::2]:80`. */
function ends({ src = '', dst = '' }: Frame, { srcPort, dstPort }: Ports): string {
  const end = (address: string, port: number) =>
    address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  return `${end(src, srcPort)} → ${end(dst, dstPort)}`
}
