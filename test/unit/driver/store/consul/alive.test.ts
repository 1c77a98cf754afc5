import { expect, test } from 'vitest'
import { silentLog } from '../../../../../driver/log.ts'
import { aliveIn, createAnnouncer } from '../../../../../driver/store/consul/alive.ts'
import type { ConsulClient } from '../../../../../driver/store/consul/client.ts'
import { consulInMemory } from '../../../../fixtures/consul-in-memory.ts'

const key = 'multihost/alive/net-1'
const self = { id: 'a', vtep: '192.168.33.11' }

function announcerOn(client: ConsulClient) {
  return createAnnouncer({ client, prefix: 'multihost', host: 'net-1', ttlMs: 15_000, log: silentLog })
}

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
