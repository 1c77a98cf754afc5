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
 * A line of bash that sends an echo request in such a packet to the VTEP, so many times. A refused packet is
 * an error of `send`.
 */
export function sending(frame: ForgedFrame, vtep: string, times: number): string {
  const bytes = packet(frame)
    .toString('hex')
    .replace(/../g, (byte) => `\\x${byte}`)
  return `exec 3> /dev/udp/${vtep}/4789; for i in $(seq ${times}); do printf '${bytes}' >&3; done 2> /dev/null; true`
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
