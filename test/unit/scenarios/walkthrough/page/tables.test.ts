import { expect, test } from 'vitest'
import { drivers, hostsFile, recordsOf, replied } from '../../../../../scenarios/walkthrough/page/tables.ts'

const file = (inside: string, after = '') =>
  `127.0.0.1\tlocalhost\n172.21.0.2\t44dc6d5a723a\n# multihost: begin\n${inside}# multihost: end\n${after}`
const two = '172.21.0.2\tone\n172.21.0.2\tone.multihost\n'

test('the driver’s records are those between its marks, and no other', () => {
  expect(drivers(file(two))).toEqual(recordsOf('multihost', [['172.21.0.2', 'one']]))
  expect(drivers(file(`${two}172.21.0.9\tstray\n`))).not.toEqual(
    recordsOf('multihost', [['172.21.0.2', 'one']]),
  )
  expect(drivers(file('', two))).toEqual([])
  expect(hostsFile(file(two))).toContainEqual(['172.21.0.2', '44dc6d5a723a'])
})

test.each([
  ['none', '127.0.0.1\tlocalhost\n'],
  ['no end', file(two).replace('# multihost: end\n', '')],
  ['two pairs', file(two) + file(two)],
])('a hosts file with %s of the driver’s marks is an error', (_, text) => {
  expect(() => drivers(text)).toThrow('must have one pair of the driver’s marks')
})

test('a ping was answered by the address that it says, and only if the one packet came back', () => {
  const answered = (received: string) =>
    `64 bytes from one (172.21.0.2): icmp_seq=1 ttl=64 time=0.1 ms\n\n1 packets transmitted, ${received}`
  expect(replied(answered('1 received, 0% packet loss, time 0ms'))).toBe('172.21.0.2')
  expect(replied(answered('1 received, +1 duplicates, 0% packet loss'))).toBe('')
  expect(replied(answered('0 received, 100% packet loss, time 0ms'))).toBe('')
})
