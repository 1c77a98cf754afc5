import { describe, expect, test } from 'vitest'
import { sentence } from '../../../../../driver/core/check/difference.ts'
import { checkDocker } from '../../../../../driver/core/check/docker.ts'
import type { DockerNetwork } from '../../../../../driver/core/endpoints/docker-state.ts'
import type { Lease, Service, Snapshot } from '../../../../../driver/core/records.ts'
import { id, network } from '../../../../fixtures/datapath.sample.ts'
import { agreeing, gone, mine, put, theirs } from './check.sample.ts'

const a = id('a')
const inDocker = (change: Partial<DockerNetwork> = {}): DockerNetwork => ({
  network: a,
  localId: a,
  name: 'foobar',
  pools: ['172.21.0.0/16'],
  endpoints: [{ id: mine.id, v4: mine.v4, mac: mine.mac, container: { id: 'c'.repeat(64), name: 'one' } }],
  ...change,
})
function told(snapshot: Snapshot, networks: DockerNetwork[], attached: string[] = []): string {
  return checkDocker({
    snapshot,
    attached: new Set(attached),
    host: 'net-1',
    vtep: '192.168.33.11',
    networks,
    now: '2026-01-01T00:00:00Z',
  })
    .map((it) => {
      const steps = (it.repair ?? []).map(({ op, table, key }) => `\n  ${op} ${table}/${key}`)
      return `${sentence(it)}${steps.join('')}`.replaceAll(/([0-9a-f])\1{63}/g, '$1…')
    })
    .join('\n')
}

test('an engine that has what the store says has no differences', () => {
  expect(told(agreeing(), [inDocker()])).toBe('')
})

test('networks are missing, too many, or of another id or subnet', () => {
  const two = put('networks', id('f'), network({ id: id('f'), name: 'other', vni: 300 }))(agreeing())
  const stranger = inDocker({ localId: id('9'), name: 'stray', endpoints: [] })
  delete stranger.network
  expect(told(two, [inDocker({ pools: ['10.0.0.0/8'] }), stranger])).toMatchInlineSnapshot(`
    "docker: network foobar: found aaaaaaaaaaaa with 10.0.0.0/8, expected aaaaaaaaaaaa with 172.21.0.0/16; multihost check --repair; if the difference stays, multihost status shows the reason
    docker: network other: found nothing, expected one with 172.21.0.0/16; multihost check --repair; if the difference stays, multihost status shows the reason
    docker: network stray: found 999999999999 with 172.21.0.0/16, expected nothing; it is not in the store; remove it and create it again"
  `)
})

test('an endpoint that the engine does not have goes, with its lease', () => {
  expect(told(agreeing(), [inDocker({ endpoints: [] })])).toMatchInlineSnapshot(`
    "docker: endpoint 111111111111 of network foobar: found nothing, expected 172.21.0.2 02:42:ac:15:00:02 in container one; multihost check --repair
      remove endpoints/a…/1…
      remove addresses/a…/172.21.0.2"
  `)
})

test('an endpoint of a container that runs on while Docker has lost its network keeps its records', () => {
  expect(told(agreeing(), [], [mine.id])).toMatchInlineSnapshot(`
    "docker: network foobar: found nothing, expected aaaaaaaaaaaa with 172.21.0.0/16; multihost check --repair; if the difference stays, multihost status shows the reason
    docker: endpoint 111111111111 of network foobar: found nothing, expected 172.21.0.2 02:42:ac:15:00:02 in container one; Docker has lost its network, and the container runs on: docker stop one, and start it again"
  `)
})

test('an endpoint that the store does not have gets its records back, if its address is free', () => {
  const lost = gone('addresses', `${a}/${mine.v4}`)(gone('endpoints', `${a}/${mine.id}`)(agreeing()))
  expect(told(lost, [inDocker()])).toMatchInlineSnapshot(`
    "docker: endpoint 111111111111 of network foobar: found 172.21.0.2 02:42:ac:15:00:02 in container one, expected nothing; multihost check --repair
      expect networks/a…
      create endpoints/a…/1…
      create addresses/a…/172.21.0.2"
  `)
  const lease = { host: 'net-2', leasedAt: '', endpoint: theirs.id }
  const taken = put('addresses', `${a}/${mine.v4}`, lease)(lost)
  expect(told(taken, [inDocker()])).not.toContain('create')
})

describe('an endpoint of a service that the store does not have', () => {
  const service = { id: id('e'), network: a, name: 'db', v4: mine.v4 }
  const holder = { host: 'net-1', container: { id: 'c'.repeat(64), name: 'one' } }
  const kept = { host: 'net-1', leasedAt: '', service: 'db' }
  const lost = (change: Partial<Service> = {}, lease: Partial<Lease> = {}): string => {
    const edits = [
      gone('endpoints', `${a}/${mine.id}`),
      put('services', `${a}/db`, { ...service, holder, ...change }),
      put('addresses', `${a}/${mine.v4}`, { ...kept, ...lease }),
    ]
    return told(
      edits.reduce((snapshot, edit) => edit(snapshot), agreeing()),
      [inDocker()],
    )
  }

  test('gets its records back, and the service, which is still free', () => {
    const back = lost()
    expect(back).toMatchInlineSnapshot(`
      "docker: endpoint 111111111111 of network foobar: found 172.21.0.2 02:42:ac:15:00:02 in container one, expected nothing; multihost check --repair
        expect networks/a…
        create endpoints/a…/1…
        update addresses/a…/172.21.0.2
        update services/a…/db"
    `)
    expect([
      lost({ holder: { host: 'net-1' } }),
      lost({ endpoint: mine.id }, { endpoint: mine.id }),
      lost({ endpoint: 'of a container that is gone' }),
    ]).toEqual([back, expect.stringContaining('update services'), back])
  })

  test('gets both back when another attach was begun and not done in half a minute', () => {
    const attaching = { host: 'net-2', attachingSince: '2025-12-31T23:59:00Z', before: holder }
    const changes = lost({ holder: attaching }, { host: 'net-2' })
    expect(changes).toContain('update services/a…/db')
    expect(changes).toContain('update addresses/a…/172.21.0.2')
    const elsewhere = { ...attaching, before: { host: 'net-2' } }
    expect(lost({ holder: elsewhere })).not.toContain('update')
    const atThisMoment = { ...attaching, attachingSince: '2026-01-01T00:00:00Z' }
    expect(lost({ holder: atThisMoment })).not.toContain('update')
  })

  test('does not, when the service is another’s, or has no container any more', () => {
    const changes = [
      lost({ holder: { host: 'net-2' } }, { host: 'net-2' }),
      lost({ endpoint: theirs.id }),
      lost({ holder: { host: 'net-1', container: { id: 'd'.repeat(64), name: 'two' } } }),
      lost({ holder: { ...holder, attachingSince: '2026-01-01T00:00:00Z' } }),
      lost({}, { endpoint: theirs.id }),
      // Attached elsewhere, and detached.
      told(
        [
          gone('endpoints', `${a}/${mine.id}`),
          put('services', `${a}/db`, service),
          put('addresses', `${a}/${mine.v4}`, { ...kept, host: 'net-2' }),
        ].reduce((snapshot, edit) => edit(snapshot), agreeing()),
        [inDocker()],
      ),
    ]
    for (const lines of changes) expect(lines).not.toContain('create')
  })
})

test('another address, MAC or container is told', () => {
  const endpoints = [{ id: mine.id, v4: '172.21.0.77', mac: '02:42:ac:15:00:4d' }]
  expect(told(agreeing(), [inDocker({ endpoints })])).toMatchInlineSnapshot(
    `"docker: endpoint 111111111111 of network foobar: found 172.21.0.77 02:42:ac:15:00:4d in no container, expected 172.21.0.2 02:42:ac:15:00:02 in container one; multihost check --repair"`,
  )
})
