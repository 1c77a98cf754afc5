import { expect, test } from 'vitest'
import { gratuitousArp } from '../../../../../driver/core/tunnels/gratuitous-arp.ts'

const mac = '02:42:ac:15:00:02'

test('an IPv4 address is announced by a gratuitous ARP request in the network’s VXLAN packet', () => {
  const hex = gratuitousArp({ vni: 256, ip: '172.21.0.2', mac }).toString('hex')
  expect(hex.slice(0, 16)).toBe('0800000000010000')
  expect(hex.slice(16, 44)).toBe('ffffffffffff02426d6870020806')
  expect(hex.slice(44, 100)).toBe(`00010800060400010242ac150002ac150002000000000000ac150002`)
})

test('an IPv6 address is announced by an unsolicited neighbour advertisement with a right checksum', () => {
  const packet = gratuitousArp({ vni: 256, ip: 'fd00:21::2', mac, to: '02:42:ac:15:00:03' })
  const hex = packet.toString('hex')
  expect(hex.slice(16, 44)).toBe('0242ac15000302426d68700286dd')
  expect(hex.slice(44, 60)).toBe('6000000000203aff')
  expect(hex.slice(124, 132)).toMatch(/^8800/)
  expect(hex.slice(132, 140), 'override').toBe('20000000')
  expect(hex.slice(172), 'the MAC').toBe('02010242ac150002')
  let sum = 32 + 58
  for (let i = 22 + 8; i < packet.length; i += 2) sum += packet.readUInt16BE(i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  expect(sum).toBe(0xffff)
})
