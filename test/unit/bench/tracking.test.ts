import { expect, test } from 'vitest'
import { recorder } from '../../bench/samples.ts'
import { tracked, trackingTable } from '../../bench/tracking.ts'

test('traffic with and without connection tracking, compared round by round', () => {
  const { add, samples } = recorder()
  for (const [way, rates] of [
    ['untracked', [10, 12]],
    ['tracked', [9, 6]],
  ] as const)
    for (const rate of rates) add(`${way}/tcp-1`, 'multihost', rate)
  expect(trackingTable(samples)).toMatchInlineSnapshot(`
    "| between two containers  | untracked | tracked | ÷ untracked |
    | ----------------------- | --------- | ------- | ----------- |
    | TCP, one stream, Gbit/s | 11.00     | 7.50    | 0.70        |"
  `)
  expect(trackingTable([])).toBeUndefined()
})

test('the rules without notrack', () => {
  expect(tracked('fib saddr . iif oif != 0 notrack accept comment "multihost 1"\nip daddr a notrack\n')).toBe(
    'fib saddr . iif oif != 0 accept comment "multihost 1"\nip daddr a\n',
  )
})
