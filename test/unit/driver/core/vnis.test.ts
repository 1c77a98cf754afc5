import { expect, test } from 'vitest'
import { checkVni, maxVni, nextVni, parseVni } from '../../../../driver/core/vnis.ts'

test('networks are numbered from 256, and gaps are filled', () => {
  expect(nextVni(new Set())).toBe(256)
  expect(nextVni(new Set([256, 257, 259]))).toBe(258)
})

test('numbers go round: the search starts after the last VNI, and gaps wait', () => {
  expect(nextVni(new Set([256]), 300)).toBe(301)
  expect(nextVni(new Set([256, 4095]), 4094)).toBe(257)
  expect(nextVni(new Set([256]), 4095)).toBe(257)
})

test('numbers from 4096 on are for a cluster that has all those below it, and go round by themselves', () => {
  const low = Array.from({ length: 4096 - 256 }, (_, i) => 256 + i)
  expect(nextVni(new Set(low), 4095)).toBe(4096)
  expect(nextVni(new Set([...low, 4096]), 300)).toBe(4097)
  expect(nextVni(new Set(low), 5000)).toBe(5001)
  expect(nextVni(new Set([...low, 4096, maxVni]), maxVni - 1)).toBe(4097)
  expect(nextVni(new Set(low.filter((vni) => vni !== 700)), 5000)).toBe(700)
})

test('when no VNI is free the error says which there are', () => {
  const all = { has: () => true } as unknown as ReadonlySet<number>
  expect(() => nextVni(all)).toThrow('no free VNI: all of 256 … 16777215 are in use')
})

test('a VNI that was asked for has 24 bits and is not 0', () => {
  expect([parseVni('1'), parseVni('16777215')]).toEqual([1, maxVni])
})

test.each(['0', '16777216', '-1', '1.5', 'x', '', '0x10', '99999999999'])('%j is not a VNI', (text) => {
  expect(() => parseVni(text)).toThrow(`'${text}' is not a VNI`)
})

test('a VNI that is taken names the network that has it', () => {
  const networks = [
    { id: 'a'.repeat(64), name: 'foobar', vni: 300 },
    { id: 'b'.repeat(64), vni: 301 },
  ]
  expect(checkVni('302', networks, [])).toBe(302)
  expect(() => checkVni('300', networks, [])).toThrow('VNI 300 belongs to network foobar')
  expect(() => checkVni('301', networks, [])).toThrow('VNI 301 belongs to network bbbbbbbbbbbb')
})
