/** The plan as text: which endpoints are adopted, described, removed, released and reported. */
import { expect, test } from 'vitest'
import type { DockerEndpoint } from '../../../../../driver/core/endpoints/docker-state.ts'
import type { Change, Snapshot } from '../../../../../driver/core/records.ts'
import type { EngineContainer } from '../../../../../driver/engine/engine.ts'
import {
  describedByContainers,
  describedByNetwork,
  planDescriptions,
  planEndpoints,
  type Step,
  type View,
} from '../../../../../driver/loops/endpoints/plan.ts'
import { id } from '../../../../fixtures/datapath.sample.ts'
import { agreeing, gone, mine, put, theirs } from '../../core/check/check.sample.ts'

const a = id('a')
const now = '2026-01-01T01:00:00Z'
const one = { id: 'c'.repeat(64), name: 'one' }
const inContainer: DockerEndpoint = { id: mine.id, v4: mine.v4, mac: mine.mac, container: one }
const network = (...endpoints: DockerEndpoint[]) => ({
  network: a,
  localId: a,
  name: 'foobar',
  pools: [],
  endpoints,
})

const lost = gone('endpoints', `${a}/${mine.id}`)(agreeing())

function planOf(snapshot: Snapshot, endpoints: DockerEndpoint[], more: Partial<View> = {}): string {
  return show(
    planEndpoints({
      snapshot,
      host: 'net-1',
      vtep: '192.168.33.11',
      networks: [network(...endpoints)],
      now,
      calls: new Map(),
      arriving: new Set(),
      start: { at: new Date(now), graceMs: 4000 },
      ...more,
    }),
  )
}

function show(steps: readonly Step[]): string {
  const short = ({ op, table, key }: Change): string => `${op} ${table}/${key.replace(/(\w)\1{63}/g, '$1…')}`
  return steps
    .map((it) => {
      const endpoint = 'endpoint' in it ? ` ${it.endpoint.slice(0, 4)}` : ''
      const changes = 'changes' in it ? it.changes : 'change' in it ? [it.change] : []
      const message = 'message' in it ? `: ${it.message}` : ''
      return [`${it.step}${endpoint}${message}`, ...changes.map((change) => `  ${short(change)}`)].join('\n')
    })
    .join('\n')
}

test('an endpoint that the engine has as the store has it needs nothing', () => {
  const container = agreeing().endpoints.get(`${a}/${mine.id}`)?.value.container
  expect(planOf(agreeing(), [{ ...inContainer, ...(container && { container }) }])).toBe('')
})

test('the container’s name goes into the record; aliases stay until the container is inspected', () => {
  expect(
    planOf(agreeing(), [{ ...inContainer, container: { ...one, name: 'renamed' } }]),
  ).toMatchInlineSnapshot(`
    "describe 1111
      update endpoints/a…/1…"
  `)
})

test('an endpoint that the engine does not know is removed, but not one that Docker is making', () => {
  expect(planOf(agreeing(), [])).toMatchInlineSnapshot(`"remove 1111"`)
  expect(planOf(agreeing(), [], { calls: new Map([[mine.id, 'create']]) })).toBe('')
  expect(planOf(agreeing(), [], { calls: new Map([[mine.id, 'join']]) })).toBe('')
})

test('an endpoint that the engine has never shown in a container is not removed while it may be arriving', () => {
  const { container: _, ...unshown } = mine
  const undescribed = put('endpoints', `${a}/${mine.id}`, unshown)(agreeing())
  const arriving = new Set([mine.id])
  expect(planOf(undescribed, [], { arriving })).toBe('')
  expect(planOf(undescribed, [])).toBe('remove 1111')
  expect(planOf(agreeing(), [], { arriving })).toBe('remove 1111')
})

test('an endpoint that lost its lease gets it back, unless another one has it or Docker is about to take it away', () => {
  const key = `${a}/${mine.v4}`
  const unleased = gone('addresses', key)(agreeing())
  const container = agreeing().endpoints.get(`${a}/${mine.id}`)?.value.container
  const at = { ...inContainer, ...(container && { container }) }
  expect(planOf(unleased, [at])).toMatchInlineSnapshot(`
    "adopt 1111
      expect endpoints/a…/1…
      create addresses/a…/172.21.0.2"
  `)
  expect(planOf(unleased, [at], { calls: new Map([[mine.id, 'leave']]) })).toBe('')
  const others = put('addresses', key, { host: 'net-2', endpoint: theirs.id, leasedAt: now })(unleased)
  expect(planOf(others, [at])).toBe('')
})

test('an endpoint that lost its record gets it back, and its lease is not released in the same plan', () => {
  expect(planOf(lost, [inContainer])).toMatchInlineSnapshot(`
    "adopt 1111
      expect networks/a…
      create endpoints/a…/1…
      update addresses/a…/172.21.0.2"
  `)
})

test('an endpoint whose container has a name that no record can have is adopted under its short id', () => {
  const container = { ...one, name: 'n'.repeat(256) }
  const options = { snapshot: lost, host: 'net-1', vtep: '192.168.33.11', now }
  const steps = planEndpoints({
    ...options,
    calls: new Map(),
    arriving: new Set(),
    networks: [network({ ...inContainer, container })],
    start: { at: new Date(now), graceMs: 4000 },
  })
  const created = steps
    .flatMap((it) => (it.step === 'adopt' ? it.changes : []))
    .find(({ table }) => table === 'endpoints')
  expect(created).toMatchObject({ value: { container: { id: one.id, name: one.id.slice(0, 12) } } })
})

test('an endpoint that is arriving or leaving is not adopted', () => {
  for (const call of ['create', 'join', 'leave'] as const) {
    expect(planOf(lost, [inContainer], { calls: new Map([[mine.id, call]]) })).not.toContain('adopt')
  }
})

test('the lease of an endpoint without a record is kept while Docker has the endpoint, or is making it', () => {
  expect(planOf(lost, [])).toContain('release')
  expect(planOf(lost, [], { arriving: new Set([mine.id]) })).toBe('')
  const inNone = { id: mine.id, v4: mine.v4, mac: mine.mac }
  expect(planOf(lost, [inNone])).toBe('')
})

test('an endpoint whose address another one has is reported', () => {
  const lease = { host: 'net-2', leasedAt: now, endpoint: theirs.id }
  expect(planOf(put('addresses', `${a}/${mine.v4}`, lease)(lost), [inContainer])).toMatchInlineSnapshot(
    `"report 1111: container one is cut off from network foobar: its address 172.21.0.2 went to container two on net-2; docker network disconnect foobar one, and connect it again"`,
  )
})

test('an address that lies unused in another host’s reserve is asked for, once', () => {
  const message =
    'container one is cut off from network foobar: its address 172.21.0.2 went to the reserve of net-2; docker network disconnect foobar one, and connect it again'
  const idle = put('addresses', `${a}/${mine.v4}`, { host: 'net-2', leasedAt: now })(lost)
  expect(planOf(idle, [inContainer])).toBe(`want 1111: ${message}\n  create wanted/a…/net-1@172.21.0.2`)
  const want = { host: 'net-1', ip: mine.v4, since: now }
  const asked = put('wanted', `${a}/net-1@${mine.v4}`, want)(idle)
  expect(planOf(asked, [inContainer])).toBe(`want 1111: ${message}`)
  expect(planOf(idle, [inContainer], { calls: new Map([[mine.id, 'leave']]) })).toBe('')
})

test('an address that is kept for a container with --ip is not asked for', () => {
  const lease = { host: 'net-2', leasedAt: now, asked: true } as const
  expect(planOf(put('addresses', `${a}/${mine.v4}`, lease)(lost), [inContainer])).toMatch(/^report 1111: /)
})

test('both addresses are asked for, and none while a container has one of them', () => {
  const v6 = 'fd00::2'
  const idle = put('addresses', `${a}/${mine.v4}`, { host: 'net-2', leasedAt: now })(lost)
  const both = put('addresses', `${a}/${v6}`, { host: 'net-3', leasedAt: now })(idle)
  expect(
    planOf(both, [{ ...inContainer, v6 }])
      .split('\n')
      .slice(1),
  ).toEqual(['  create wanted/a…/net-1@172.21.0.2', '  create wanted/a…/net-1@fd00::2'])
  const taken = put('addresses', `${a}/${v6}`, { host: 'net-2', leasedAt: now, endpoint: theirs.id })(idle)
  expect(planOf(taken, [{ ...inContainer, v6 }])).toMatch(/^report 1111: /)
})

test('an address that was leased before the driver started and has no endpoint is released after the grace period', () => {
  const start = { at: new Date('2026-01-01T00:59:50Z'), graceMs: 4000 }
  expect(planOf(lost, [], { start })).toMatchInlineSnapshot(`
    "release
      remove addresses/a…/172.21.0.2"
  `)
})

test('a network describes its containers while they start, an inspected container has its aliases too', () => {
  const snapshot = agreeing()
  expect(show(planDescriptions(snapshot, 'net-1', describedByNetwork(undefined)))).toBe('')
  const attachment = { endpoint: mine.id, aliases: ['db'] } as EngineContainer['attachments'][number]
  const container = { ...one, attachments: [attachment] } as EngineContainer
  const steps = planDescriptions(snapshot, 'net-1', describedByContainers([container]))
  expect(steps).toMatchObject([{ step: 'describe', change: { value: { container: one, aliases: ['db'] } } }])
})

test('that the interface has no IPv6 goes into the record when the container is inspected, and out of it', () => {
  const attachment = { endpoint: mine.id, aliases: mine.aliases, withoutIpv6: true }
  const container = { ...one, hostname: mine.hostname ?? '', attachments: [attachment] }
  const described = (it: object) => describedByContainers([it as EngineContainer])
  const marked = planDescriptions(agreeing(), 'net-1', described(container))
  expect(marked).toMatchObject([{ step: 'describe', change: { value: { withoutIpv6: true } } }])

  const recorded = { ...mine, container: one, withoutIpv6: true } as const
  const snapshot = put('endpoints', `${a}/${mine.id}`, recorded)(agreeing())
  expect(planDescriptions(snapshot, 'net-1', described(container))).toEqual([])
  const byNetwork = describedByNetwork(network({ ...inContainer, container: one }))
  expect(planDescriptions(snapshot, 'net-1', byNetwork), 'a network does not say it').toEqual([])
  const again = { ...container, attachments: [{ endpoint: mine.id, aliases: mine.aliases }] }
  const [step] = planDescriptions(snapshot, 'net-1', described(again))
  expect(step).toMatchObject({ step: 'describe' })
  expect(step).not.toHaveProperty('change.value.withoutIpv6')
})
