import fc from 'fast-check'
import { expect, test } from 'vitest'
import { advance, contentsOf, observedAt } from '../../../../../driver/core/datapath/contents.ts'
import { desiredFor } from '../../../../../driver/core/datapath/desired.ts'
import { plan } from '../../../../../driver/core/datapath/plan.ts'
import { type Scope, scopeOf } from '../../../../../driver/core/datapath/scope.ts'
import { showOp } from '../../../../../driver/core/datapath/show.ts'
import { defined } from '../../../../../driver/core/defined.ts'
import type { Endpoint, Snapshot } from '../../../../../driver/core/records.ts'
import { applyDeltas } from '../../../../../driver/core/snapshot.ts'
import { endpoint, id, made, network, snapshotOf } from '../../../../fixtures/datapath.sample.ts'

const place = { vtep: '192.168.33.11', mtuBytes: 1500, namespace: '/netns/aaaaaaaaaaaa' }
const here = endpoint('0', 'net-1', '172.21.0.2')
const wanted = (snapshot: Snapshot, scope?: Scope) => {
  const want = desiredFor(snapshot, 'net-1', id('a'), place, scope)
  if (want === undefined) throw new Error('nothing is wanted')
  return want
}

/** Few MACs, addresses and hosts, so that endpoints claim the same ones. */
const anEndpoint = fc
  .record({
    digit: fc.constantFrom('1', '2', '3', '4', '5'),
    host: fc.constantFrom('net-1', 'net-2', 'net-3'),
    v4: fc.constantFrom('172.21.0.3', '172.21.0.4', '172.21.0.5'),
    mac: fc.constantFrom('02:42:00:00:00:03', '02:42:00:00:00:04', '02:42:00:00:00:05'),
    v6: fc.constantFrom(undefined, 'fd00::3', 'fd00::4'),
    joined: fc.boolean(),
    withoutIpv6: fc.constantFrom(undefined, true as const),
  })
  .map(({ digit, host, v4, ...more }) => endpoint(digit, host, v4, defined(more)))
const some = fc.uniqueArray(anEndpoint, { selector: ({ id }) => id })
const deltasTo = (before: readonly Endpoint[], after: readonly Endpoint[]) => [
  ...before.map(({ network, id }) => ({
    table: 'endpoints' as const,
    key: `${network}/${id}`,
    record: undefined,
  })),
  ...after.map((value) => ({
    table: 'endpoints' as const,
    key: `${value.network}/${value.id}`,
    record: { value, index: 2 },
  })),
]

test('the plan for what a change concerns is the whole plan', () => {
  fc.assert(
    fc.property(some, some, some, (staying, before, after) => {
      const old = snapshotOf([network()], [here, ...staying, ...before])
      const deltas = deltasTo(before, after)
      const now = applyDeltas(old, deltas)
      const have = made(wanted(old))
      const whole = plan(have, wanted(now)).ops.map(showOp).sort()

      const scope = scopeOf(old, now, new Set(deltas.map(({ key }) => key)))
      const seen = observedAt(contentsOf(have), scope.places)
      expect(plan(seen, wanted(now, scope)).ops.map(showOp).sort()).toEqual(whole)
    }),
  )
})

test('what a change concerns does not grow with the network', () => {
  const many = Array.from({ length: 200 }, (_, n) => endpoint(`${n + 1000}0000`, 'net-2', `172.21.1.${n}`))
  const old = snapshotOf([network()], [here, ...many])
  const comes = endpoint('2', 'net-2', '172.21.0.3')
  const now = snapshotOf([], [comes], old)
  const scope = scopeOf(old, now, [`${comes.network}/${comes.id}`])
  expect(scope.endpoints).toEqual([comes])
  expect([...scope.places]).toEqual([comes.mac, comes.v4])
  expect(observedAt(contentsOf(made(wanted(old))), scope.places).fdb).toEqual([])
  expect(advance(undefined, plan(undefined, wanted(now, scope)).ops)?.neighbours.size).toBe(1)
})
