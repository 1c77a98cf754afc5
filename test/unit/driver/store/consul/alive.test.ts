import { expect, test } from 'vitest'
import { DriverError } from '../../../../../driver/core/errors.ts'
import { type Life, lifeOf } from '../../../../../driver/core/liveness.ts'
import type { HostRecord } from '../../../../../driver/core/records.ts'
import { silentLog } from '../../../../../driver/log.ts'
import { aliveIn, createAnnouncer } from '../../../../../driver/store/consul/alive.ts'
import type { ConsulClient } from '../../../../../driver/store/consul/client.ts'
import { openConsulStore } from '../../../../../driver/store/consul/store.ts'
import { evict } from '../../../../../driver/verbs/evict-host.ts'
import { consulInMemory } from '../../../../fixtures/consul-in-memory.ts'

const key = 'multihost/alive/net-1'
const self = { id: 'a', vtep: '192.168.33.11' }

/** `hosts`: by name, with the session of each record. */
function announcerOn(client: ConsulClient, hosts: Record<string, string> = {}) {
  const records = new Map(Object.entries(hosts).map(([name, session]) => [name, recordOf(session)]))
  const common = { prefix: 'multihost', host: 'net-1', ttlMs: 15_000, log: silentLog }
  return createAnnouncer({ client, records: () => records, ...common })
}

const recordOf = (session: string): HostRecord => ({ vtep: '192.168.33.12', driverVersion: '0.1.0', session })

test.each([
  ['{"vtep":"192.168.33.12"}', { vtep: '192.168.33.12' }],
  ['{"id":"b"}', { id: 'b' }],
  ['{"id":7,"vtep":null}', {}],
  ['null', {}],
  ['net-2', {}],
])('what the key of a host lacks, as %s, is not known', async (text, known) => {
  const consul = consulInMemory()
  consul.put(key, text)
  const announcer = announcerOn(consul.client())
  expect(await announcer.lastAnnouncement()).toEqual({ ...known, session: undefined })
  const { announced } = await announcer.liveness()
  expect(announced.get('net-1')).toBe((known as { vtep?: string }).vtep)
  await announcer.close()
})

test('a key that does not decode is no host’s, and hides none', async () => {
  const consul = consulInMemory()
  const client = consul.client()
  const announcer = announcerOn(client)
  await announcer.announce(self)
  const { id: Session } = await client.createSession('by hand', 15_000)
  await client.transact([{ Verb: 'lock', Key: 'multihost/alive/100%', Value: '', Session }])
  const { keys, announced } = await announcer.liveness()
  expect([[...keys.keys()], [...announced]]).toEqual([['net-1'], [['net-1', self.vtep]]])
  const { items } = await client.list('multihost/')
  expect(aliveIn('multihost', items)).toEqual(new Set(['net-1']))
  await announcer.close()
})

test('a key that its holder gives up at this moment is locked by another attempt', async () => {
  const client = consulInMemory().client()
  let refusals = 2
  const { announce, close } = announcerOn({
    ...client,
    transact: async (steps) => (refusals-- > 0 ? { failedStep: 0 } : client.transact(steps)),
  })
  expect(await announce(self)).toMatchObject({ held: true })
  await close()
})

test('a lock that Consul refuses again and again, with no holder, ends as unavailable', async () => {
  const client = consulInMemory().client()
  let attempts = 0
  const { announce, close } = announcerOn({
    ...client,
    async transact() {
      attempts += 1
      if (attempts > 50) throw new Error('no end')
      return { failedStep: 0 }
    },
  })
  await expect(announce(self)).rejects.toMatchObject({
    code: 'unavailable',
    message: `Consul did not lock the key ${key} in 5 attempts, and shows no other holder`,
  })
  expect(attempts).toBe(5)
  await close()
})

test('a key that is held is locked again when its text or its holder is another', async () => {
  const consul = consulInMemory()
  const client = consul.client()
  let locks = 0
  const { announce, close } = announcerOn({
    ...client,
    transact(steps) {
      locks += 1
      return client.transact(steps)
    },
  })
  const first = await announce(self)
  expect(await announce(self)).toEqual(first)
  expect(locks, 'at rest nothing is written').toBe(1)
  await announce({ ...self, vtep: '192.168.33.99' })
  expect(locks).toBe(2)
  await client.transact([{ Verb: 'delete', Key: key }])
  await announce({ ...self, vtep: '192.168.33.99' })
  expect(locks, 'deleted by hand').toBe(3)
  if (first.held) await client.destroySession(first.session)
  expect(await announce({ ...self, vtep: '192.168.33.99' })).toMatchObject({ held: true })
  expect(locks).toBe(4)
  await close()
})

/** The client, and what it is asked. */
function counted(client: ConsulClient) {
  const calls: string[] = []
  return {
    calls: () => calls.splice(0),
    client: {
      ...client,
      list(prefix, query) {
        calls.push('list')
        return client.list(prefix, query)
      },
      createSession(name, ttlMs) {
        calls.push('create')
        return client.createSession(name, ttlMs)
      },
      renewSession(id) {
        calls.push('renew')
        return client.renewSession(id)
      },
      hasSession(id) {
        calls.push('session')
        return client.hasSession(id)
      },
    } satisfies ConsulClient,
  }
}

/** net-2, whose record has a session; this host's announcer; and what is asked of Consul. */
async function withPeer(
  { holdsKey }: { holdsKey: boolean },
  sees: ConsulClient['hasSession'] | undefined = undefined,
  refusal: string | undefined = undefined,
) {
  const consul = consulInMemory()
  const peer = consul.client()
  const { id: Session } = await peer.createSession('net-2', 15_000)
  if (holdsKey) await peer.transact([{ Verb: 'lock', Key: 'multihost/alive/net-2', Value: '', Session }])
  const { calls, client } = counted({ ...consul.client(), ...(sees && { hasSession: sees }) })
  const announcer = announcerOn(client, { 'net-2': Session })
  await announcer.announce(self)
  calls()
  if (refusal !== undefined)
    client.transact = async () => {
      throw new DriverError('unavailable', refusal)
    }
  const life = async (): Promise<Life> => lifeOf('net-2', recordOf(Session), await announcer.liveness())
  return { calls, life, end: () => peer.destroySession(Session), close: announcer.close }
}

test('of hosts that hold their keys, no session is asked for', async () => {
  const { life, calls, close } = await withPeer({ holdsKey: true })
  expect(await life()).toBe('alive')
  expect(calls()).toEqual(['list'])
  await close()
})

test('the session of a host whose key is free is asked for, until it has ended', async () => {
  const { life, calls, end, close } = await withPeer({ holdsKey: true })
  await end()
  expect([await life(), calls()]).toEqual(['away', ['list', 'session']])
  expect([await life(), calls()], 'a session that has ended stays so').toEqual(['away', ['list']])
  await close()
})

test('a host without a key lives as long as its session', async () => {
  const { life, calls, end, close } = await withPeer({ holdsKey: false })
  expect([await life(), calls()]).toEqual(['alive', ['list', 'session']])
  await end()
  expect([await life(), calls()]).toEqual(['away', ['list', 'session']])
  await close()
})

test.each<[string, boolean | undefined]>([
  ['says that it is hidden', undefined],
  ['hides it without a word, as before 1.11', false],
])('a host without a key lives as long as its session, where Consul %s', async (_, answer) => {
  const { life, end, close } = await withPeer({ holdsKey: false }, async () => answer)
  expect(await life()).toBe('alive')
  await end()
  expect(await life()).toBe('away')
  await close()
})

test('nothing is known of a host whose session Consul hides, while the token may write no keys', async () => {
  const { life, close } = await withPeer({ holdsKey: false }, async () => false, 'Permission denied')
  await expect(life()).rejects.toMatchObject({ code: 'unavailable' })
  await close()
})

test('with a token that sees the sessions of one node, a live host is not taken out of the cluster', async () => {
  const client = consulInMemory().client()
  const { id: hidden } = await client.createSession('net-2', 15_000)
  const store = await openConsulStore({
    ...{ url: 'consul://x', host: 'net-1' },
    // As Consul before 1.11: it does not say that it hides the session.
    client: { ...client, hasSession: async (id) => id !== hidden && client.hasSession(id) },
  })
  await store.read()
  await store.announce(self)
  await store.commit([{ op: 'create', table: 'hosts', key: 'net-2', value: recordOf(hidden) }])
  await expect(evict(store, 'net-2')).rejects.toMatchObject({
    message: 'host net-2 is alive',
  })
  await store.close()
})
