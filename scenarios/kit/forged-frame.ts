/**
 * Frames that a stranger puts into a network: VXLAN packets written by hand, RFC 7348 §5.
 */
import { macOf } from './inside.ts'

export interface ForgedFrame {
  vni: number
  /** IPv4 addresses of containers. The MACs follow from them. */
  from: string
  to: string
}

/**
 * A line for a shell that sends an echo request in such a packet to the VTEP, so many times. `source`: the
 * sender's address; the kernel chooses without it. A refusal by the
 * sender's own host is no error. The line is in Perl, which is in every Debian: a shell's printf ends a
 * packet at each byte 0x0a.
 */
export function sending(frame: ForgedFrame, vtep: string, times: number, source?: string): string {
  const at = (port: number, address: string) => `pack_sockaddr_in(${port}, inet_aton(q(${address})))`
  const bind = source === undefined ? '' : `bind $s, ${at(0, source)};`
  const send = `send $s, pack(q(H*), q(${packet(frame).toString('hex')})), 0, ${at(4789, vtep)}`
  return `perl -MSocket -e 'socket my $s, AF_INET, SOCK_DGRAM, 0; ${bind} for (1..${times}) { ${send} }'`
}

function packet({ vni, from, to }: ForgedFrame): Buffer {
  const vxlan = Buffer.from(`08000000${vni.toString(16).padStart(6, '0')}00`, 'hex')
  const ethernet = Buffer.from(`${[to, from].map(macOf).join('').replaceAll(':', '')}0800`, 'hex')
  const ip = Buffer.from(`4500001c0000400040010000${[from, to].map(hexOf).join('')}`, 'hex')
  ip.writeUInt16BE(checksum(ip), 10)
  const echo = Buffer.from('0800000000010001', 'hex')
  echo.writeUInt16BE(checksum(echo), 2)
  return Buffer.concat([vxlan, ethernet, ip, echo])
}

function hexOf(address: string): string {
  return address
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join('')
}

/** RFC 1071. */
function checksum(words: Buffer): number {
  let sum = 0
  for (let i = 0; i < words.length; i += 2) sum += words.readUInt16BE(i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
