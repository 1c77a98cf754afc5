import { expect, test } from 'vitest'
import {
  messageLength,
  probePacket,
  readMessage,
  smallProbeBytes,
  textPacket,
} from '../../../../../driver/core/tunnels/packet.ts'

const nonce = '0123456789abcdef'

test('a probe is a VXLAN packet of VNI 0 with a UDP datagram for the probe device', () => {
  const packet = probePacket({ kind: 'question', from: '192.168.33.11', nonce }, 30)
  const hex = packet.toString('hex')
  expect(hex.slice(0, 16), 'VXLAN').toBe('0800000000000000')
  expect(hex.slice(16, 44), 'Ethernet').toBe('02426d68700102426d6870020800')
  expect(hex.slice(44, 84), 'IPv4').toBe('4500003a0000400040114cb3a9fe4d02a9fe4d01')
  expect(hex.slice(84, 100), 'UDP').toBe('12b512b500260000')
  let sum = 0
  for (let i = 22; i < 42; i += 2) sum += packet.readUInt16BE(i)
  expect((sum & 0xffff) + (sum >>> 16), 'the checksum of the header').toBe(0xffff)
})

test.each(['192.168.33.11', 'fd00::11'])('a message from %s is read as it was written', (from) => {
  for (const kind of ['question', 'answer', 'leaving'] as const) {
    const message = { kind, from, nonce }
    expect(readMessage(probePacket(message, 200).subarray(50))).toEqual(message)
  }
})

test('a probe tells the port of its driver, and one of an older driver tells none', () => {
  const message = { kind: 'answer' as const, from: '192.168.33.11', nonce, driverPort: 40_001 }
  expect(readMessage(probePacket(message, messageLength(smallProbeBytes, 4)).subarray(50))).toEqual(message)
  const short = probePacket({ kind: 'answer', from: '192.168.33.11', nonce }, 30).subarray(50)
  expect(readMessage(short)?.driverPort).toBeUndefined()
})

test('a text goes along', () => {
  const message = { kind: 'endpoints' as const, from: '192.168.33.11', nonce, text: '["é"]' }
  expect(readMessage(textPacket(message).subarray(50))).toEqual(message)
})

test('what is not a probe is not read', () => {
  expect(readMessage(Buffer.from('GET / HTTP/1.1'))).toBeUndefined()
  expect(readMessage(Buffer.alloc(40))).toBeUndefined()
  const odd = probePacket({ kind: 'answer', from: '192.168.33.11', nonce }, 30).subarray(50)
  odd.writeUInt8(9, 4)
  expect(readMessage(odd), 'a kind of a later version').toBeUndefined()
})

test('the outer packet has the size that was asked for', () => {
  const outer = (bytes: number, family: 4 | 6): number =>
    (family === 6 ? 48 : 28) +
    probePacket({ kind: 'question', from: '::1', nonce }, messageLength(bytes, family)).length
  expect([outer(1500, 4), outer(1500, 6), outer(9000, 4), outer(smallProbeBytes, 4)]).toEqual([
    1500, 1500, 9000, 200,
  ])
})
