import { expect, test } from 'vitest'
import { lossIn } from '../../../../scenarios/kit/pings.ts'

const replies = (...sequence: number[]) => sequence.map((seq) => `64 bytes from b: icmp_seq=${seq} ttl=64`)
const output = (transmitted: number, ...sequence: number[]) =>
  [...replies(...sequence), `${transmitted} packets transmitted, ${sequence.length} received`].join('\n')

test('a packet is lost when a later one has a reply', () => {
  expect(lossIn(output(6, 1, 2, 5), true)).toEqual({ sent: 5, lost: 2, isBack: true })
})

test('a reply that comes twice is one', () => {
  expect(lossIn(output(3, 1, 2, 2, 3), true)).toEqual({ sent: 3, lost: 0, isBack: true })
})

test('without a reply after the fault, all that was sent since is lost', () => {
  expect(lossIn(output(6, 1, 2), false)).toEqual({ sent: 6, lost: 4, isBack: false })
  expect(lossIn(output(6), false)).toEqual({ sent: 6, lost: 6, isBack: false })
})
