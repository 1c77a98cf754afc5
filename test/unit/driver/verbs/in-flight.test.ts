import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { silentLog } from '../../../../driver/log.ts'
import { createInFlight, type InFlight } from '../../../../driver/verbs/in-flight.ts'
import { steadyNow } from '../../../../driver/verbs/steady-now.ts'
import { id } from './cluster.ts'

const endpoint = id('e')
let inFlight: InFlight

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const store = { status: () => ({ fresh: true }) } as Parameters<typeof createInFlight>[0]['store']
  inFlight = createInFlight({ store, log: silentLog, now: steadyNow })
})
afterEach(() => void vi.useRealTimers())

function show(): string {
  const { calls, ended, arriving } = inFlight
  return [
    `call: ${calls().get(endpoint)}`,
    `proof: ${ended().get(endpoint)?.says}`,
    arriving().includes(endpoint) ? 'arriving' : 'not arriving',
  ].join(', ')
}

test.each([
  [
    'Docker calls Leave',
    (it: InFlight) => it.called(endpoint, 'leave'),
    'Docker has called Leave or DeleteEndpoint',
  ],
  [
    'CreateEndpoint fails',
    (it: InFlight) => it.refused(endpoint),
    'Docker was told that CreateEndpoint failed',
  ],
  ['Docker does not show it', (it: InFlight) => it.lost(endpoint), 'two answers of Docker lack the endpoint'],
])('an endpoint is over when %s, and the proof says that', (_, end, proof) => {
  inFlight.called(endpoint, 'create')
  end(inFlight)
  expect(show()).toBe(`call: leave, proof: ${proof}, not arriving`)
  vi.advanceTimersByTime(60_001)
  expect(show()).toBe('call: undefined, proof: undefined, not arriving')
})

test('a new call takes back what proved that the endpoint is over', () => {
  inFlight.lost(endpoint)
  inFlight.called(endpoint, 'create')
  expect(show()).toBe('call: create, proof: undefined, arriving')
})

test('an endpoint arrives from CreateEndpoint until 20 s after the answer to Join', () => {
  inFlight.called(endpoint, 'create')
  inFlight.called(endpoint, 'join')
  expect(show()).toBe('call: join, proof: undefined, arriving')
  inFlight.answered(endpoint)
  expect(show()).toBe('call: undefined, proof: undefined, arriving')
  vi.advanceTimersByTime(20_001)
  expect(show()).toBe('call: undefined, proof: undefined, not arriving')
})

test('an answer to Join that comes after DeleteEndpoint changes nothing', () => {
  inFlight.called(endpoint, 'join')
  inFlight.called(endpoint, 'leave')
  inFlight.answered(endpoint)
  expect(show()).toBe('call: leave, proof: Docker has called Leave or DeleteEndpoint, not arriving')
})
