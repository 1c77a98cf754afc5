import { expect, test } from 'vitest'
import { pingOf, tcpOf, udpOf } from '../../bench/traffic-output.ts'

test('iperf3’s JSON between two readings of the CPU gives the rate and its cost', () => {
  const report = { end: { sum_received: { bytes: 1.25e9, bits_per_second: 10e9 } } }
  const output = `cpu  100 0 200 5000 10 0 50 0 0 0
${JSON.stringify(report, undefined, '\t')}
cpu  110 0 250 5100 10 0 90 0 0 0
`
  // ten gigabits, 100 ticks of 10 ms
  expect(tcpOf(output)).toEqual({ gigabitsPerSecond: 10, cpuMsPerGigabit: 100 })
})

test('of datagrams, those count that arrived', () => {
  const output = JSON.stringify({ end: { sum: { bits_per_second: 300e6, lost_percent: 10 } } })
  const { gigabitsPerSecond, lostPercent } = udpOf(output)
  expect(gigabitsPerSecond).toBeCloseTo(0.27)
  expect(lostPercent).toBe(10)
})

test('ping’s last line has the average and the deviation', () => {
  expect(pingOf('…\nrtt min/avg/max/mdev = 0.099/0.199/0.299/0.100 ms\n')).toEqual({
    averageMs: 0.199,
    deviationMs: 0.1,
  })
  expect(() => pingOf('100% packet loss')).toThrow('100% packet loss')
})
