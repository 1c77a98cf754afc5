import { describe, expect, test } from 'vitest'
import { randomFrom } from '../../../../scenarios/faults/random.ts'
import {
  type ExclusiveInput,
  exclusive,
  type Holder,
  type Operation,
  type RegisterInput,
  recordHistory,
  register,
  violations,
} from '../../../../scenarios/kit/history.ts'

type Lease = Operation<ExclusiveInput, Holder>

/**
 * Clients that take, read and release keys of a correct store at random. An operation takes effect within its
 * time.
 */
function recorded(seed: number, count: number, clients: number, keys: number): Lease[] {
  const { below } = randomFrom(seed)
  const holders = new Map<string, string>()
  const freeAt = Array.from({ length: clients }, () => 0)
  const history: Lease[] = []
  for (let effect = 10; history.length < count; effect += 1 + below(3)) {
    const i = freeAt.findIndex((at) => at < effect)
    const client = `client-${i}`
    if (i < 0) continue
    const key = `10.1.0.${below(keys)}`
    const holder = holders.get(key) ?? null
    const input: ExclusiveInput =
      holder === client ? { release: client } : below(2) === 0 ? { take: client } : { read: true }
    const outcome = 'take' in input && holder !== null ? 'failed' : 'ok'
    if ('take' in input && outcome === 'ok') holders.set(key, client)
    if ('release' in input) holders.delete(key)
    const endMs = effect + below(8)
    const times = { beginMs: Math.max(freeAt[i] ?? 0, effect - below(8)), endMs }
    freeAt[i] = endMs
    history.push({ client, key, input, outcome, ...times, ...('read' in input && { output: holder }) })
  }
  return history
}

const operation = (
  client: string,
  input: ExclusiveInput,
  beginMs: number,
  endMs: number,
  outcome: Lease['outcome'] = 'ok',
  output: Holder = null,
): Lease => ({ client, key: 'k', input, beginMs, endMs, outcome, ...('read' in input && { output }) })

const take = (client: string, begin: number, end: number, outcome?: Lease['outcome']) =>
  operation(client, { take: client }, begin, end, outcome)
const release = (client: string, begin: number, end: number, outcome?: Lease['outcome']) =>
  operation(client, { release: client }, begin, end, outcome)
const read = (client: string, output: Holder, begin: number, end: number) =>
  operation(client, { read: true }, begin, end, 'ok', output)

describe('a history of a correct store', () => {
  test('has no violation, for many seeds', () => {
    for (let seed = 1; seed <= 50; seed++)
      expect(violations(recorded(seed, 200, 5, 3), exclusive)).toEqual([])
  })

  test('of 5,000 operations is checked within 5 s, also on a single key', () => {
    for (const keys of [1, 50]) {
      const history = recorded(7, 5000, 5, keys)
      const start = performance.now()
      expect(violations(history, exclusive)).toEqual([])
      expect(performance.now() - start).toBeLessThan(5000)
    }
  })

  test('of 5,000 operations on one key may have 0.5 % with unknown outcomes', () => {
    const random = randomFrom(11)
    const isLost = ({ input, outcome }: Lease) =>
      !('read' in input) && outcome === 'ok' && random.chance(0.01)
    const history = recorded(7, 5000, 5, 1).map(
      (each): Lease => (isLost(each) ? { ...each, outcome: 'unknown' } : each),
    )
    expect(history.filter(({ outcome }) => outcome === 'unknown').length).toBeGreaterThan(15)
    expect(violations(history, exclusive)).toEqual([])
  })

  test('may have operations with unknown outcomes that took effect late, or never', () => {
    expect(
      violations([take('a', 0, 5, 'unknown'), read('b', null, 6, 7), read('b', 'a', 8, 9)], exclusive),
    ).toEqual([])
    expect(violations([take('a', 0, 5, 'unknown'), take('b', 6, 7)], exclusive)).toEqual([])
  })

  test('may have operations at the same time in any order', () => {
    expect(violations([take('a', 0, 10), release('a', 0, 10), take('b', 0, 10)], exclusive)).toEqual([])
  })
})

/** Ten kinds of violations on key `k`, each put into a correct history of 300 operations on other keys. */
const seeded: [string, Lease[]][] = [
  ['two holders one after the other', [take('a', 0, 1), take('b', 2, 3)]],
  ['two holders at the same time', [take('a', 0, 9), take('b', 1, 8)]],
  ['a holder that takes twice', [take('a', 0, 1), take('a', 2, 3)]],
  ['a release by another client', [take('a', 0, 1), release('b', 2, 3)]],
  ['a release of what is free', [take('a', 0, 1), release('a', 2, 3), release('a', 4, 5)]],
  ['a read that is older than a release', [take('a', 0, 1), release('a', 2, 3), read('b', 'a', 4, 5)]],
  ['a take that is lost', [take('a', 0, 1), read('b', null, 2, 3)]],
  ['a read of a holder that never was', [take('a', 0, 1), read('b', 'c', 2, 3)]],
  ['a failed take that took effect', [take('a', 0, 1, 'failed'), read('b', 'a', 2, 3)]],
  [
    'a read that goes back behind another read',
    [take('a', 0, 20), read('b', 'a', 5, 6), read('c', null, 7, 8)],
  ],
]

test.each(seeded)('%s is found', (_, wrong) => {
  const history = [...recorded(3, 300, 5, 4), ...wrong]
  const found = violations(history, exclusive)
  expect(found).toEqual([expect.stringMatching(/^k: in state .* none of these can be next: /)])
})

test('a violation names the state and the operations that cannot follow', () => {
  expect(violations([take('a', 0, 1), take('b', 2, 3)], exclusive)).toEqual([
    'k: in state "a" none of these can be next: b {"take":"b"} → ok (2–3 ms)',
  ])
})

test('a register is written, read, and replaced when it is as expected', () => {
  type Write = Operation<RegisterInput, unknown>
  const common = { client: 'a', key: 'k', outcome: 'ok' } as const
  const history: Write[] = [
    { ...common, input: { write: 1 }, beginMs: 0, endMs: 1 },
    { ...common, input: { replace: 1, by: 2 }, beginMs: 2, endMs: 3 },
    { ...common, input: { read: true }, output: 2, beginMs: 4, endMs: 5 },
  ]
  expect(violations(history, register)).toEqual([])
  const lost: Write = { ...common, input: { read: true }, output: 1, beginMs: 6, endMs: 7 }
  expect(violations([...history, lost], register)).toHaveLength(1)
})

test('an operation that throws is recorded as unknown, and one that finds its key gets it', async () => {
  let time = 0
  const history = recordHistory<ExclusiveInput, Holder>(() => time++)
  await history.run('a', 'k', { take: 'a' }, () => Promise.reject(new Error('timed out')))
  await history.run('a', undefined, { take: 'a' }, async () => ({ outcome: 'ok', key: '10.1.0.2' }))
  expect(history.operations).toEqual([
    { client: 'a', key: 'k', input: { take: 'a' }, outcome: 'unknown', beginMs: 0, endMs: 1 },
    { client: 'a', key: '10.1.0.2', input: { take: 'a' }, outcome: 'ok', beginMs: 2, endMs: 3 },
  ])
})
