import { expect, test } from 'vitest'
import { callsBetween, callTotals, residentBytes } from '../../bench/metrics.ts'

const name = 'multihost_call_duration_seconds'
const before = `# TYPE ${name} histogram
${name}_bucket{le="0.005",method="NetworkDriver.Join",outcome="ok"} 0
${name}_sum{method="NetworkDriver.Join",outcome="ok"} 0.5
${name}_count{method="NetworkDriver.Join",outcome="ok"} 4
process_resident_memory_bytes 91815936
`
const after = `${name}_sum{method="NetworkDriver.Join",outcome="ok"} 0.512
${name}_count{method="NetworkDriver.Join",outcome="ok"} 5
${name}_sum{method="NetworkDriver.Leave",outcome="ok"} 0.006
${name}_count{method="NetworkDriver.Leave",outcome="ok"} 1
${name}_sum{method="NetworkDriver.Leave",outcome="not-found"} 0.002
${name}_count{method="NetworkDriver.Leave",outcome="not-found"} 1
`

test('calls are counted over all their outcomes', () => {
  expect(callTotals(after).get('Leave')).toEqual({ count: 2, seconds: 0.008 })
})

test('what two readings differ by is the duration of the call in between', () => {
  const calls = callsBetween(before, after)
  expect(calls.get('Join')).toBeCloseTo(12)
  expect(calls.get('Leave')).toBeCloseTo(4)
  expect(callsBetween(after, after).size).toBe(0)
})

test('the driver’s memory is read from its metrics', () => {
  expect(residentBytes(before)).toBe(91815936)
  expect(residentBytes('')).toBeNaN()
})
