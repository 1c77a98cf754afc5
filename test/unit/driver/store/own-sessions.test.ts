/** Two machines with one id and one address: one disk is a copy of the other, behind NAT. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { silentLog } from '../../../../driver/log.ts'
import { createHostClaim } from '../../../../driver/loops/host/claim.ts'
import { openConsulStore } from '../../../../driver/store/consul/store.ts'
import { openOwnSessions } from '../../../../driver/store/own-sessions.ts'
import { consulInMemory } from '../../../fixtures/consul-in-memory.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const vtep = '10.0.2.15'

/** A driver of host net-1 with that state folder. It is not closed: it may be killed, and its session live on. */
async function driverIn(stateDir: string, consul: ReturnType<typeof consulInMemory>) {
  const ownSessions = await openOwnSessions(stateDir, silentLog)
  const store = await openConsulStore({
    ...{ url: 'consul://x', host: 'net-1', client: consul.client(), ownSessions },
  })
  const claim = createHostClaim({ store, host: 'net-1', id: 'a', log: silentLog })
  return { renew: () => claim.renew(vtep), close: store.close }
}

test('the copy of a disk is refused, and the first machine keeps its session', async () => {
  const consul = consulInMemory()
  const [one, two] = [temporaryFolder(afterAll), temporaryFolder(afterAll)]
  await (await openOwnSessions(one, silentLog)).add('an earlier life')
  await writeFile(join(two, 'sessions.json'), await readFile(join(one, 'sessions.json')))
  const first = await driverIn(one, consul)
  const copy = await driverIn(two, consul)
  const session = await first.renew()
  await expect(copy.renew()).rejects.toMatchObject({
    code: 'taken',
    hint: expect.stringMatching(
      /one disk is a copy of the other: on the copy, stop multihost.*half a minute/,
    ),
  })
  expect(await first.renew()).toBe(session)
  await Promise.all([first.close(), copy.close()])
})

test('a driver that was killed has its name again at once', async () => {
  const consul = consulInMemory()
  const folder = temporaryFolder(afterAll)
  const killed = await driverIn(folder, consul)
  const session = await killed.renew()
  const next = await driverIn(folder, consul)
  expect(await next.renew()).not.toBe(session)
  await Promise.all([killed.close(), next.close()])
})

test('a driver without a list takes over from a driver that kept none', async () => {
  const consul = consulInMemory()
  const old = await openConsulStore({ url: 'consul://x', host: 'net-1', client: consul.client() })
  await old.announce({ id: 'a', vtep })
  const next = await driverIn(temporaryFolder(afterAll), consul)
  await next.renew()
  await Promise.all([old.close(), next.close()])
})

test('the list outlives the driver, holds the last sessions, and is on disk before a session is used', async () => {
  const folder = temporaryFolder(afterAll)
  const before = await openOwnSessions(folder, silentLog)
  expect(before.has('s0')).toBeUndefined()
  for (let n = 0; n < 20; n++) await before.add(`s${n}`)
  expect([before.has('s19'), before.has('s0')]).toEqual([true, undefined])
  const after = await openOwnSessions(folder, silentLog)
  expect([after.has('s19'), after.has('s4'), after.has('s3'), after.has('another')]).toEqual([
    ...[true, true],
    ...[false, false],
  ])
})

test('a list that cannot be read, or written, tells nothing and stops nothing', async () => {
  const folder = temporaryFolder(afterAll)
  await writeFile(join(folder, 'sessions.json'), '{"not":"a list"}')
  const damaged = await openOwnSessions(folder, silentLog)
  expect(damaged.has('s')).toBeUndefined()
  await damaged.add('s')
  expect((await openOwnSessions(folder, silentLog)).has('s')).toBe(true)
  const nowhere = await openOwnSessions(join(folder, 'sessions.json'), silentLog)
  await nowhere.add('s')
  expect(nowhere.has('s')).toBe(true)
})
