/**
 * Whether a UDP port of another host is refused: its kernel is up, and no process there has the port.
 *
 * The kernel answers a packet to such a port with ICMP "port unreachable" (RFC 1122 §4.1.3.1), and a
 * connected socket reads the answer as ECONNREFUSED (RFC 1122 §4.2.3.9, udp(7)). Linux sends one to the same
 * host in a second (`icmp_ratelimit`).
 */
import { createSocket } from 'node:dgram'
import { familyOf } from '../core/ip.ts'
import type { Ip } from '../core/records.ts'

const answersWithinMs = 900

export async function isPortRefused(from: Ip, to: Ip, port: number): Promise<boolean> {
  const socket = createSocket(familyOf(from) === 6 ? 'udp6' : 'udp4').unref()
  return new Promise((resolve) => {
    const end = (isRefused: boolean): void => {
      clearTimeout(timer)
      socket.removeAllListeners('error').on('error', () => undefined)
      socket.close()
      resolve(isRefused)
    }
    const timer = setTimeout(() => end(false), answersWithinMs).unref()
    socket.on('error', ({ code }: NodeJS.ErrnoException) => end(code === 'ECONNREFUSED'))
    socket.once('connect', () => socket.send(''))
    socket.bind({ address: from }, () => socket.connect(port, to))
  })
}
