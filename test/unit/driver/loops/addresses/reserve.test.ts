/** Hosts with their verbs and their addresses loop around one store: what lies in a reserve can be had by all. */
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { DriverError } from '../../../../../driver/core/errors.ts'
import type { Change, Network } from '../../../../../driver/core/records.ts'
import { isIdle } from '../../../../../driver/core/reserve.ts'
import type { ConfiguredContainer } from '../../../../../driver/engine/engine.ts'
import { silentLog } from '../../../../../driver/log.ts'
import { type AddressesLoop, startAddresses } from '../../../../../driver/loops/addresses/loop.ts'
import type { Loop } from '../../../../../driver/loops/kit/loop.ts'
import { timeoutScale } from '../../../../../provision/process/timeout-scale.ts'
import { until } from '../../../../fixtures/until.ts'
import { cluster, createNetwork, type Host, id, never, run, showAlive, stop } from '../../verbs/cluster.ts'

const network = id('a')
const end = (n: number): string => n.toString(16).padStart(64, '0')

interface Member extends Host {
  local: string
  containers: ConfiguredContainer[]
  loop: AddressesLoop
}

const loops: Loop[] = []
afterEach(async () => {
  await Promise.all(loops.splice(0).map((loop) => loop.close()))
})

async function hosts(
  count: number,
  subnet: string,
  { everyMs = 50, ...context }: { everyMs?: number; returnedWithinMs?: number } = {},
) {
  const lab = cluster()
  const members: Member[] = []
  let made: Network | undefined
  for (let n = 1; n <= count; n++) {
    const host = lab.host(n, context)
    await showAlive(host)
    const local = n === 1 ? network : n.toString(16).padStart(64, 'b')
    const replica = { 'multihost.id': network }
    const more = n === 1 ? {} : { gateway: made?.v4.gateway ?? '', ipamOptions: replica, options: replica }
    made = await createNetwork(host, { id: local, subnet, ...more })
    const containers: ConfiguredContainer[] = []
    const loop = startAddresses({
      store: host.store,
      engine: { configuredContainers: async () => containers, network: async () => undefined },
      host: host.name,
      addresses: host.context.inFlight.addresses,
      log: silentLog,
      now: () => host.clock.now,
      everyMs,
    })
    loops.push(loop)
    members.push({ ...host, local, containers, loop })
  }
  const [first] = members
  if (first === undefined || made === undefined) throw new Error('no hosts')
  const pool = made.v4.cidr
  let last = 0
  const start = async (host: Member, ip?: string) => {
    const endpoint = end(++last)
    const more = ip === undefined ? {} : { ip }
    return { host, endpoint, ip: await run(host, { network: host.local, pool, endpoint, ...more }) }
  }
  const idleOn = ({ store, name }: Host) =>
    [...store.snapshot().addresses.values()].filter(({ value }) => value.host === name && isIdle(value))
      .length
  return { lab, members, first, pool, start, idleOn }
}

const stopIt = ({ host, endpoint, ip }: { host: Member; endpoint: string; ip: string }, pool: string) =>
  stop(host, { network: host.local, pool, endpoint, ip })

describe('a reserve', () => {
  test('is filled once the host has a container on the network, and serves while the store is away', async () => {
    const { lab, first, start, idleOn } = await hosts(2, '10.9.0.0/16')
    await start(first)
    await until('the reserve is full', () => idleOn(first) === 8)
    const before = first.store.status().index
    lab.away = true
    const asked = Array.from({ length: 8 }, () =>
      first.verbs.requestAddress({ pool: '10.9.0.0/16', gateway: false }, never),
    )
    expect(new Set(await Promise.all(asked)).size).toBe(8)
    expect(first.store.status().index).toBe(before)
    await expect(
      first.verbs.requestAddress({ pool: '10.9.0.0/16', gateway: false }, never),
    ).rejects.toMatchObject({ code: 'unavailable' })
  })

  test('goes back some time after the last container of the host has gone', async () => {
    const { first, pool, start, idleOn } = await hosts(1, '10.9.0.0/16')
    const web = await start(first)
    await until('the reserve is full', () => idleOn(first) === 8)
    await stopIt(web, pool)
    first.clock.now = new Date('2026-01-01T00:00:30Z')
    first.loop.poke()
    await first.store.read()
    expect(idleOn(first)).toBe(9)
    first.clock.now = new Date('2026-01-01T00:02:00Z')
    await until('it is returned', () => idleOn(first) === 0)
  })
})

test('stopped containers that pile up leave room in the pool, also while their host is away', async () => {
  const { lab, members, first, start, idleOn } = await hosts(2, '10.9.0.0/26')
  const [, second] = members
  if (second === undefined) throw new Error('no second host')
  await start(first)
  const uses = { 'net-1': 200, 'net-2': 30 }
  await first.store.commit(
    Object.entries(uses).map(([host, containers]) => {
      return { op: 'create', table: 'uses', key: `${host}/${network}`, value: { containers, names: [] } }
    }),
  )
  await until('the reserve is full', () => idleOn(first) === 7 + 15)
  await first.loop.close()
  for (let n = 0; n < 30; n++) await start(second)
  expect(lab.away).toBe(false)
})

test('a lease of a clock in the future does not hold the search for the next address', async () => {
  const { first, start, idleOn } = await hosts(1, '10.9.0.0/16')
  await start(first)
  await until('the reserve is full', () => idleOn(first) === 8)
  const value = { host: 'net-9', leasedAt: '2031-01-01T00:00:00Z' }
  await first.store.commit([{ op: 'create', table: 'addresses', key: `${network}/10.9.0.200`, value }])
  for (let n = 0; n < 8; n++) await start(first)
  await until('the reserve is filled again', () => idleOn(first) > 3)
  const ips = [...first.store.snapshot().addresses.keys()].map((key) => Number(key.split('.').at(-1)))
  expect(ips.filter((last) => last > 200)).toEqual([])
})

test('an idle lease whose address an endpoint of another host has goes to that endpoint', async () => {
  const { members, first, pool, start } = await hosts(2, '10.9.0.0/16')
  const [, second] = members
  if (second === undefined) throw new Error('no second host')
  const { endpoint, ip } = await start(second)
  const old = await start(first)
  await stopIt(old, pool)
  const running = second.store.snapshot().endpoints.get(`${network}/${endpoint}`)?.value
  if (running === undefined) throw new Error('no endpoint')
  const value = { ...running, id: end(99), v4: old.ip }
  // A restored backup: the endpoint's own host has put it back, and the lease is as it was in the backup.
  await second.store.commit([{ op: 'create', table: 'endpoints', key: `${network}/${end(99)}`, value }])
  const lease = (at: string) => second.store.snapshot().addresses.get(`${network}/${at}`)?.value
  await until('the lease is of the endpoint', () => lease(old.ip)?.host === second.name)
  expect(lease(old.ip)?.endpoint).toBe(end(99))
  expect(lease(ip)?.endpoint).toBe(endpoint)
})

test.each(['given to another container', 'returned'])(
  'a lease that has lost its endpoint, which has its record, is not %s',
  async (what) => {
    const { lab, first, start, idleOn } = await hosts(1, '10.9.0.0/16')
    const one = await start(first)
    await until('the reserve is full', () => idleOn(first) === 8)
    const key = `${network}/${one.ip}`
    lab.put('addresses', key, JSON.stringify({ host: first.name, leasedAt: '2025-01-01T00:00:00.000Z' }))
    await first.store.read()
    first.clock.now = new Date('2026-01-01T01:00:00Z')
    if (what === 'returned')
      lab.put(
        'wanted',
        `${network}/net-9`,
        JSON.stringify({ host: 'net-9', since: '2026-01-01T01:00:00.000Z' }),
      )
    await first.store.read()
    if (what === 'returned') await until('the reserve is returned', () => idleOn(first) <= 1)
    else for (let n = 0; n < 3; n++) expect((await start(first)).ip).not.toBe(one.ip)
    expect(first.store.snapshot().addresses.has(key)).toBe(true)
  },
)

describe('an address that a container names', () => {
  const named = (local: string, ip: string): ConfiguredContainer => {
    return { name: 'db', networks: [{ name: 'foobar', id: local, addresses: [ip] }] }
  }

  test('is kept for it before its first start, and given back when the container is gone', async () => {
    const { first, start } = await hosts(1, '10.9.0.0/16')
    first.containers.push(named(first.local, '10.9.0.2'))
    first.loop.containersChanged()
    const isKept = () => first.store.snapshot().addresses.get(`${network}/10.9.0.2`)?.value.asked === true
    await until('it is leased', isKept)
    expect((await start(first)).ip).not.toBe('10.9.0.2')
    expect((await start(first, '10.9.0.2')).ip).toBe('10.9.0.2')
  })

  test('is kept for a stopped container, of whose connection the engine tells nothing', async () => {
    const { first } = await hosts(1, '10.9.0.0/16')
    await until('the loop has looked', () => first.loop.status().state === 'idle')
    first.containers.push(named(first.local, '10.9.0.77'))
    const lease = () => first.store.snapshot().addresses.get(`${network}/10.9.0.77`)?.value
    await until('it is leased', () => lease()?.asked === true)
    first.containers.pop()
    await until('it goes back', () => lease() === undefined)
  })

  test('is taken out of the reserve, and goes back with the container', async () => {
    const { first, start, idleOn } = await hosts(1, '10.9.0.0/16')
    const one = await start(first)
    await until('the reserve is full', () => idleOn(first) === 8)
    const ip =
      [...first.store.snapshot().addresses].find(([, { value }]) => isIdle(value))?.[0].split('/')[1] ?? ''
    first.containers.push(named(first.local, ip))
    first.loop.containersChanged()
    const lease = () => first.store.snapshot().addresses.get(`${network}/${ip}`)?.value
    await until('it is kept', () => lease()?.asked === true)
    for (let n = 0; n < 12; n++) expect((await start(first)).ip).not.toBe(ip)
    first.containers.pop()
    first.loop.containersChanged()
    await until('it goes back', () => lease() === undefined)
    expect(one.ip).not.toBe(ip)
  })

  test('stays where the name of its network cannot be read, by which the container was made', async () => {
    const { lab, first, start, idleOn } = await hosts(1, '10.9.0.0/16')
    lab.put('network-names', 'foobar', `"${network}"`)
    first.containers.push(named('', '10.9.0.77'))
    first.loop.containersChanged()
    const lease = () => first.store.snapshot().addresses.get(`${network}/10.9.0.77`)?.value
    await first.store.read()
    await until('it is leased', () => lease()?.asked === true)
    lab.put('network-names', 'other', '?')
    await first.store.read()
    // After that: the loop may look by itself, as after its own commit.
    first.containers.pop()
    first.loop.containersChanged()
    await start(first)
    await until('the loop has run', () => idleOn(first) > 1)
    expect(lease()?.asked).toBe(true)
    lab.put('network-names', 'other', `"${network}"`)
    await first.store.read()
    await until('it goes back', () => lease() === undefined)
  })

  test('outside of the pool, or the gateway, is nothing to keep', async () => {
    const { first } = await hosts(1, '10.9.0.0/16')
    const { gateway } = [...first.store.snapshot().networks.values()][0]?.value.v4 ?? { gateway: '' }
    first.containers.push(
      named(first.local, gateway),
      named(first.local, '10.8.0.2'),
      named(first.local, '10.9.0.3'),
    )
    first.loop.containersChanged()
    await until('the third is leased', () => first.store.snapshot().addresses.has(`${network}/10.9.0.3`))
    expect([...first.store.snapshot().addresses.keys()]).toEqual([`${network}/10.9.0.3`])
  })
})

describe('while an address lies idle anywhere,', () => {
  /** All hosts share one process: on a busy machine an address comes later than from a host that is alive. */
  const returnedWithinMs = 20_000
  const withinMs = 180_000 * timeoutScale

  test(
    'none of 250 containers of thirty hosts on a /24 is refused',
    async () => {
      // A look of thirty hosts costs some milliseconds. As on real hosts, the loops run by the store's changes.
      const { members, start } = await hosts(30, '10.9.0.0/24', { everyMs: 1000, returnedWithinMs })
      const ips: string[] = []
      for (let n = 0; n < 252; n += 4) {
        const some = Array.from(
          { length: 4 },
          (_, i) => members[(n * 7 + i * 11 + ((n * n) % 13)) % 30] as Member,
        )
        ips.push(...(await Promise.all(some.map((host) => start(host)))).map(({ ip }) => ip))
      }
      // 254, without the gateway and .1
      expect(new Set(ips).size).toBe(252)
      await expect(start(members[3] as Member)).rejects.toThrow(/252 of 252 are leased: 252 are used/)
    },
    withinMs,
  )

  test.each([
    ['/28', 12],
    ['/29', 4],
    ['/30', 1],
  ])(
    'three hosts fill a %s to the last address, in any order, again and again',
    async (length, size) => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.nat(2), { minLength: size, maxLength: size }), async (order) => {
          const { members, pool, start } = await hosts(3, `10.9.0.0${length}`, { returnedWithinMs })
          for (let round = 0; round < 2; round++) {
            const running = []
            for (const n of order) running.push(await start(members[(n + round) % 3] as Member))
            expect(new Set(running.map(({ ip }) => ip)).size).toBe(size)
            for (const it of running) await stopIt(it, pool)
          }
          await Promise.all(loops.splice(0).map((loop) => loop.close()))
        }),
        { numRuns: 8 },
      )
    },
    withinMs,
  )

  test('it can be had by --ip', async () => {
    const { members, first, pool, start, idleOn } = await hosts(2, '10.9.0.0/24')
    const [, second] = members as [Member, Member]
    const web = await start(first)
    await until('the reserve is full', () => idleOn(first) === 8)
    expect((await start(second, '10.9.0.5')).ip).toBe('10.9.0.5')
    await expect(start(second, web.ip)).rejects.toThrow(`the address ${web.ip} is already leased`)
    await stopIt(web, pool)
    expect((await start(second, web.ip)).ip).toBe(web.ip)
    expect(second.store.snapshot().wanted.size).toBe(0)
  })
})

test('a lease that a person has written by hand holds up no other one: the store is read', async () => {
  const { first, pool, start, idleOn } = await hosts(1, '10.9.0.0/16')
  const web = await start(first)
  await until('the reserve is full', () => idleOn(first) === 8)
  await stopIt(web, pool)
  await first.loop.close()
  let isOld = true
  const store = {
    ...first.store,
    commit: (changes: readonly Change[]) =>
      isOld ? Promise.reject(new DriverError('conflict', 'another index')) : first.store.commit(changes),
    read() {
      isOld = false
      return first.store.read()
    },
  }
  first.clock.now = new Date('2026-01-01T00:02:00Z')
  loops.push(
    startAddresses({
      ...{ store, host: first.name, addresses: first.context.inFlight.addresses, log: silentLog },
      engine: { configuredContainers: async () => first.containers, network: async () => undefined },
      ...{ now: () => first.clock.now, everyMs: 60_000 },
    }),
  )
  await until('it is returned', () => idleOn(first) === 0)
})

test('an address that a host wants is returned, and taken into no reserve while it is wanted', async () => {
  const { members, first, start, idleOn } = await hosts(2, '10.9.0.0/24')
  const [, second] = members as [Member, Member]
  await start(first)
  await until('the reserve is full', () => idleOn(first) === 8)
  const ips = [...first.store.snapshot().addresses.keys()].map((key) => key.split('/')[1] ?? '')
  const last = ips.sort((a, b) => Number(a.split('.')[3]) - Number(b.split('.')[3])).at(-1) ?? ''
  const value = { host: second.name, ip: last, since: second.clock.now.toISOString() }
  await second.store.commit([
    { op: 'create', table: 'wanted', key: `${network}/${second.name}@${last}`, value },
  ])
  const lease = () => first.store.snapshot().addresses.get(`${network}/${last}`)
  await until('it is returned', () => lease() === undefined)
  for (let n = 0; n < 4; n++) await start(first)
  await until('the reserve is full again', () => idleOn(first) === 8)
  expect(lease()).toBeUndefined()
})

describe('an address of --ip', () => {
  test('stays with its container while it exists, running or stopped, and is free when it is removed', async () => {
    const { members, first, pool, start } = await hosts(2, '10.9.0.0/29')
    const [, second] = members as [Member, Member]
    first.containers.push({ name: 'db', networks: [{ name: '', id: network, addresses: ['10.9.0.2'] }] })
    const db = await start(first, '10.9.0.2')
    await stopIt(db, pool)
    for (const host of [first, second, first]) await start(host)
    await Promise.all([
      expect(start(second)).rejects.toThrow(
        '4 of 4 are leased: 3 are used (2 on net-1, 1 on net-2), 1 is kept for services and containers with --ip (1 on net-1)',
      ),
      expect(start(second, '10.9.0.2')).rejects.toThrow('kept for a container that has it by --ip on net-1'),
    ])
    first.containers.length = 0
    expect((await start(second, '10.9.0.2')).ip).toBe('10.9.0.2')
  })
})

test('a lease that cannot be read is no free address: the reserve is filled beside it', async () => {
  const { lab, first, start, idleOn } = await hosts(1, '10.9.0.0/16')
  lab.put('addresses', `${network}/10.9.0.5`, '{"host": 1}')
  lab.put('addresses', `${network}/10.9.0.7`, '{"host": 1}')
  await first.store.read()
  await start(first)
  await until('the reserve is full', () => idleOn(first) === 8)
  const addresses = ['10.9.0.7', '10.9.0.40']
  first.containers.push({ name: 'db', networks: [{ name: '', id: network, addresses }] })
  first.loop.containersChanged()
  await until('the other address is leased', () =>
    first.store.snapshot().addresses.has(`${network}/10.9.0.40`),
  )
})
