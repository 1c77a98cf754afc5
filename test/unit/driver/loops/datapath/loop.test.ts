import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Observed } from '../../../../../driver/core/datapath/datapath.ts'
import type { EndpointCall } from '../../../../../driver/core/endpoints/life.ts'
import { DriverError } from '../../../../../driver/core/errors.ts'
import type { Endpoint } from '../../../../../driver/core/records.ts'
import { localIdOf } from '../../../../../driver/core/snapshot.ts'
import type { EngineNetwork } from '../../../../../driver/engine/engine.ts'
import {
  type DatapathLoop,
  type DatapathOptions,
  startDatapath,
} from '../../../../../driver/loops/datapath/loop.ts'
import { type Source, source } from '../../../../fixtures/changing-store.ts'
import { endpoint, id, network } from '../../../../fixtures/datapath.sample.ts'
import { type FakeKernel, fakeKernel } from '../../../../fixtures/fake-kernel.ts'
import { readableLog } from '../../../../fixtures/log.ts'
import { anyProof } from '../../../../fixtures/proof.ts'
import { until } from '../../../../fixtures/until.ts'

const path = '/netns/aaaaaaaaaaaa'
const a = id('a')
const here = endpoint('1', 'net-1', '172.21.0.2')
const there = endpoint('2', 'net-2', '172.21.0.3')
const plainNetwork: EngineNetwork = {
  id: '',
  name: 'foobar',
  driver: 'vxlan',
  internal: false,
  attachable: false,
  options: {},
  ipamDriver: 'vxlan',
  ipamOptions: {},
  labels: {},
  pools: [],
  endpoints: [],
}

describe('the datapath loop', () => {
  let store: Source
  let kernel: FakeKernel
  let logged: ReturnType<typeof readableLog>
  const loops: DatapathLoop[] = []
  let calls: Map<string, EndpointCall>
  /** What Docker shows: networks by local id, with their endpoints. Undefined: Docker does not answer. */
  let docker: Map<string, EngineNetwork> | undefined
  let asked: number
  const shown = async () => {
    asked += 1
    if (docker === undefined) throw new DriverError('unavailable', 'dockerd does not answer')
    return docker
  }

  beforeEach(() => {
    store = source()
    kernel = fakeKernel()
    calls = new Map()
    docker = new Map()
    asked = 0
    logged = readableLog()
    store.network(network())
    store.map('net-1', { [a]: a })
  })
  afterEach(async () => {
    for (const loop of loops.splice(0)) await loop.close()
  })

  const start = (options: Partial<DatapathOptions> = {}): DatapathLoop => {
    const loop = startDatapath({
      store,
      kernel,
      engine: {
        networks: async () => [...(await shown()).values()],
        network: async (local) => (await shown()).get(local),
        attached: async () => [],
      },
      calls: () => calls,
      ended: () => new Map([...calls].flatMap(([id, its]) => (its === 'leave' ? [[id, anyProof]] : []))),
      arriving: () => [...calls].flatMap(([id, its]) => (its === 'leave' ? [] : [id])),
      host: 'net-1',
      underlay: () => ({ device: 'eth1', address: '192.168.33.11', mtuBytes: 1500 }),
      log: logged.log,
      localNamespaceOf: (of) => {
        const local = localIdOf(store.snapshot(), 'net-1', of)
        return local === undefined ? undefined : `/netns/${local.slice(0, 12)}`
      },
      auditMs: 60_000,
      slowAuditMs: 30_000,
      removalDelayMs: 0,
      noticeMs: { first: 5, next: 30, afterOwn: 200 },
      graceMs: 0,
      settleMs: 10_000,
      ...options,
    })
    loops.push(loop)
    return loop
  }
  const have = async (): Promise<Observed | undefined> => kernel.observe(path)
  const forget = (): void => store.remove('endpoints', `${a}/${here.id}`)
  const leave = (): void => {
    calls.set(here.id, 'leave')
    forget()
  }
  const log = (level: string): string[] =>
    logged.entries.filter((it) => it.level === level).map((it) => it.message)

  test('a Join makes the network here, with its peers', async () => {
    const loop = start()
    store.endpoint(there)
    store.endpoint(here)
    await loop.settled(a, here.id)
    expect(kernel.lines).toMatchInlineSnapshot(`
      [
        "netns add /netns/aaaaaaaaaaaa",
        "link add br0 type bridge",
        "link add vxlan1 type vxlan id 256 local 192.168.33.11 dstport 4789 mtu 1450",
        "fdb replace 02:42:ac:15:00:03 dev vxlan1 dst 192.168.33.12",
        "neigh replace 172.21.0.3 lladdr 02:42:ac:15:00:03 dev vxlan1",
        "link add veth11111111 type veth peer vxc11111111 address 02:42:ac:15:00:02 mtu 1450",
      ]
    `)
    expect(loop.status().get(a)).toMatchObject({ namespace: path, ops: 6, lost: [], lastError: undefined })
  })

  test('of two peers with one address, the one with the lease has the entries, as soon as it has the lease', async () => {
    const loop = start({ noticeMs: { first: 60_000, next: 60_000, afterOwn: 60_000 } })
    const rival = endpoint('3', 'net-3', there.v4, { vtep: '192.168.33.13' })
    const vteps = async () => (await have())?.fdb.map(({ vtep }) => vtep)
    store.endpoint(there, rival)
    store.endpoint(here)
    await loop.settled(a, here.id)
    expect(await vteps()).toEqual([there.vtep])
    const lease = { host: 'net-3', endpoint: rival.id, leasedAt: '2026-01-01T00:00:00Z' }
    store.lease(`${a}/${there.v4}`, lease)
    await until('it is sent there', async () => (await vteps())?.join() === rival.vtep)
  })

  test('what a Join will wait for is made when its endpoint is created, and nothing is left to do then', async () => {
    const loop = start()
    store.endpoint({ ...here, joined: false }, { ...there, joined: false })
    await loop.settled(a)
    expect((await have())?.ports).toEqual([
      { name: 'veth11111111', up: true, macs: ['02:42:ac:15:00:02'], mtuBytes: 1450 },
    ])
    expect((await have())?.fdb).toEqual([])
    kernel.lines.length = 0
    store.endpoint(here)
    await loop.settled(a, here.id)
    expect(kernel.lines).toEqual([])
  })

  test('one whose Join is under way is made before Join waits for it', async () => {
    const loop = start()
    calls.set(here.id, 'join')
    store.endpoint(here)
    await loop.settled(a)
    expect((await have())?.ports).toHaveLength(1)
  })

  test('a change costs no observation and touches its own network only', async () => {
    const loop = start()
    store.endpoint(here)
    await loop.settled(a, here.id)
    const seen = kernel.observations.get(path)
    kernel.lines.length = 0
    store.endpoint(there)
    await loop.settled(a)
    store.network(network({ id: id('b'), vni: 257 }))
    store.endpoint(endpoint('7', 'net-2', '172.22.0.2', { network: id('b') }))
    expect(kernel.observations.get(path)).toBe(seen)
    expect(kernel.lines).toEqual([
      'fdb replace 02:42:ac:15:00:03 dev vxlan1 dst 192.168.33.12',
      'neigh replace 172.21.0.3 lladdr 02:42:ac:15:00:03 dev vxlan1',
    ])
    expect([...loop.status().keys()]).toEqual([a])
  })

  test('what changed while the kernel refused is there in the end, beside what was there', async () => {
    const loop = start()
    const [third, fourth] = [endpoint('3', 'net-2', '172.21.0.4'), endpoint('4', 'net-2', '172.21.0.5')]
    store.endpoint(here, there)
    await loop.settled(a, here.id)
    kernel.refuse('fdb-replace', 'Device or resource busy')
    store.endpoint(third)
    store.remove('endpoints', `${a}/${there.id}`)
    store.endpoint(fourth)
    await loop.settled(a)
    const macs = (await have())?.fdb.map(({ mac }) => mac)
    expect(macs?.sort()).toEqual([third.mac, fourth.mac])
  })

  test('when this host gets another VTEP, endpoints that did not change are planned too', async () => {
    let address = '192.168.33.11'
    const loop = start({ underlay: () => ({ device: 'eth1', address, mtuBytes: 1500 }) })
    store.endpoint(here, there)
    await loop.settled(a, here.id)
    expect((await have())?.fdb).toHaveLength(1)
    address = there.vtep
    await loop.settled(a)
    expect((await have())?.vxlan?.local).toBe(there.vtep)
    expect((await have())?.fdb).toEqual([])
  })

  test('a burst of changes makes few applications', async () => {
    const loop = start()
    store.endpoint(here)
    await loop.settled(a, here.id)
    const before = loop.status().get(a)?.ops ?? 0
    for (let n = 3; n < 103; n++) store.endpoint(endpoint(`${n}`.padStart(8, '0'), 'net-2', `172.21.0.${n}`))
    await loop.settled(a)
    expect((loop.status().get(a)?.ops ?? 0) - before).toBe(200)
    expect(log('info').length).toBeLessThanOrEqual(4)
  })

  test('a peer that has gone is removed, and the last one here takes the namespace with it', async () => {
    const loop = start()
    store.endpoint(here, there)
    await loop.settled(a, here.id)
    store.remove('endpoints', `${a}/${there.id}`)
    await expect.poll(async () => (await have())?.fdb).toEqual([])
    leave()
    await expect.poll(have).toBeUndefined()
  })

  test('removals hold up no call: they come later, and not at all when they are not needed any more', async () => {
    const loop = start({ removalDelayMs: 60_000 })
    store.endpoint(here)
    await loop.settled(a, here.id)
    leave()
    await loop.settled(a)
    expect(await have()).toBeDefined()
    const next = endpoint('3', 'net-1', '172.21.0.4')
    store.endpoint(next)
    await loop.settled(a, next.id)
    expect((await have())?.ports.map(({ name }) => name)).toEqual(['veth11111111', 'veth33333333'])
  })

  test('what is right at the start is adopted without a single operation', async () => {
    const first = start()
    store.endpoint(here, there)
    await first.settled(a, here.id)
    await first.close()
    kernel.lines.length = 0
    const second = start()
    await second.settled(a)
    expect(kernel.lines).toEqual([])
    expect(second.status().get(a)).toMatchObject({ namespace: path, lost: [] })
  })

  test('closing leaves the kernel as it is', async () => {
    const loop = start()
    store.endpoint(here)
    await loop.settled(a, here.id)
    const before = await have()
    await loop.close()
    expect(await have()).toEqual(before)
  })

  test('damage by hand is repaired and logged with its reason', async () => {
    const loop = start({ auditMs: 5 })
    store.endpoint(here, there)
    await loop.settled(a, here.id)
    const right = await have()
    kernel.damage(path, (it) => ({
      ...it,
      fdb: [],
      neighbours: it.neighbours.map((n) => ({ ...n, mac: '02:00:00:00:00:01' })),
    }))
    await expect.poll(have).toEqual(right)
    expect(logged.entries.find((it) => it.level === 'warn')).toMatchObject({
      message: 'datapath was altered, repaired',
      fields: {
        reasons: [
          'fdb 02:42:ac:15:00:03: none vs 192.168.33.12',
          'neighbour 172.21.0.3: 02:00:00:00:00:01 vs 02:42:ac:15:00:03',
        ],
      },
    })
  })

  test('a pair that went with its container is reported and not made again', async () => {
    const loop = start({ auditMs: 5 })
    store.endpoint(here, there)
    await loop.settled(a, here.id)
    kernel.damage(path, (it) => ({ ...it, ports: [] }))
    await expect.poll(() => loop.status().get(a)?.lost).toEqual([here.id])
    expect((await have())?.ports).toEqual([])
    expect(log('warn')).toEqual(['joined endpoints have no veth any more'])
    await loop.settled(a, here.id)
    expect((await have())?.ports).toHaveLength(1)
    expect(loop.status().get(a)?.lost).toEqual([])
  })

  test('an endpoint that was joined before the driver started gets no new pair', async () => {
    store.endpoint(here, there)
    const loop = start()
    await loop.settled(a)
    expect(loop.status().get(a)?.lost).toEqual([here.id])
    expect((await have())?.fdb).toHaveLength(1)
    const next = endpoint('3', 'net-1', '172.21.0.4')
    calls.set(next.id, 'join')
    store.endpoint(next)
    await loop.settled(a)
    expect((await have())?.ports.map(({ name }) => name)).toEqual(['veth33333333'])
  })

  test('a loop that is closed while it looks for namespaces does nothing with what it finds', async () => {
    const first = start()
    store.endpoint(here)
    await first.settled(a, here.id)
    await first.close()
    const { namespaces } = kernel
    let answer = (): void => undefined
    const asked = new Promise<void>((resolve) => {
      answer = resolve
    })
    const looking = {
      ...kernel,
      async namespaces() {
        const all = await namespaces()
        await asked
        return all
      },
    }
    forget()
    const second = start({ kernel: looking })
    const closing = second.close()
    answer()
    await closing
    await expect(second.settled(a, here.id)).rejects.toThrow('the driver is stopping')
    expect(second.status().size).toBe(0)
    expect(await have()).toBeDefined()
  })

  test('until the store has been fresh nothing is removed; then it is', async () => {
    const first = start()
    store.endpoint(here, there)
    await first.settled(a, here.id)
    await first.close()
    kernel.lines.length = 0

    store = source({ fresh: false })
    store.network(network())
    store.map('net-1', { [a]: a })
    store.endpoint(here)
    const second = start({ auditMs: 5 })
    await second.settled(a)
    leave()
    await second.settled(a)
    expect(kernel.lines).toEqual([])
    store.fresh(true)
    await expect.poll(have).toBeUndefined()
  })

  test('a store that turns fresh while the kernel is looked at removes nothing on the word of the old copy', async () => {
    const first = start()
    store.endpoint(here, there)
    await first.settled(a, here.id)
    await first.close()
    kernel.lines.length = 0

    store = source({ fresh: false })
    store.network(network())
    store.map('net-1', { [a]: a })
    store.endpoint(here) // the copy on disk has not heard of `there`
    const { observe } = kernel
    const looking = {
      ...kernel,
      async observe(namespace: string) {
        const seen = await observe(namespace)
        if (store.status().fresh) return seen
        store.fresh(true)
        store.endpoint(there)
        return seen
      },
    }
    const second = start({ kernel: looking })
    await second.settled(a)
    expect(kernel.lines).toEqual([])
  })

  test('a namespace of a network that is no more is removed when the store is fresh', async () => {
    await kernel.apply([{ op: 'namespace-add', namespace: '/netns/dddddddddddd' }])
    start()
    await expect.poll(() => kernel.observe('/netns/dddddddddddd')).toBeUndefined()
  })

  test('a namespace that may be of a network whose place here is not known yet stays', async () => {
    await kernel.apply([{ op: 'namespace-add', namespace: path }])
    store.map('net-1', {})
    store.endpoint(here)
    const loop = start({ auditMs: 5 })
    await expect.poll(() => loop.status().get(a)?.state).toBe('failing')
    expect(await kernel.namespaces()).toEqual([path])
    store.map('net-1', { [a]: a })
    await loop.settled(a)
    expect(loop.status().get(a)?.namespace).toBe(path)
  })

  test('a namespace of a network without an endpoint here any more is removed after a restart', async () => {
    await kernel.apply([{ op: 'namespace-add', namespace: path }])
    start()
    await expect.poll(have).toBeUndefined()
  })

  test('a store in doubt removes nothing, and does when the doubt is over', async () => {
    const loop = start({ auditMs: 5 })
    store.endpoint(here)
    await loop.settled(a, here.id)
    store.doubt('the store was restored from a backup')
    store.remove('hosts', 'net-1')
    store.remove('replicas', `net-1/${a}`)
    store.remove('endpoints', `${a}/${here.id}`)
    store.remove('networks', a)
    await loop.settled(a)
    expect(await have()).toBeDefined()
    store.doubt(undefined)
    await expect.poll(have).toBeUndefined()
  })

  describe('where the kernel tells of changes', () => {
    const join = async (): Promise<DatapathLoop> => {
      kernel = fakeKernel({ tells: true })
      const loop = start({ auditMs: 100, slowAuditMs: 60_000 })
      store.endpoint(there)
      store.endpoint(here)
      await loop.settled(a, here.id)
      await expect.poll(() => kernel.watched().sort()).toEqual([path, 'host'])
      return loop
    }

    test('damage is repaired long before the next audit, also while a look is under way', async () => {
      await join()
      const right = await have()
      kernel.damage(path, (it) => ({ ...it, bridge: false }))
      await expect.poll(have).toEqual(right)
      const observe = kernel.observe
      kernel.observe = async (namespace) => {
        kernel.observe = observe
        const seen = await observe(namespace)
        kernel.damage(path, (it) => ({ ...it, neighbours: [] }))
        return seen
      }
      kernel.damage(path, (it) => ({ ...it, fdb: [] }))
      await expect.poll(have).toEqual(right)
    })

    test('a container that starts costs one look, some time later, and none before its Join is answered', async () => {
      const loop = await join()
      const looks = (): number => kernel.observations.get(path) ?? 0
      const first = looks()
      await until('the look after the Join', () => looks() > first)
      const before = looks()
      const next = endpoint('3', 'net-1', '172.21.0.4')
      store.endpoint(next)
      await loop.settled(a, next.id)
      expect(looks()).toBe(before)
      await until('the look after this one', () => looks() > before)
      // A second look for the same change would come by now.
      kernel.damage(path, (it) => ({ ...it, fdb: [] }))
      await until('the look for another change', () => looks() > before + 1)
      expect(looks()).toBe(before + 2)
    })

    test('the watch ends before its namespace is removed, and when the loop closes', async () => {
      const loop = await join()
      leave()
      await expect.poll(() => kernel.namespaces()).toEqual([])
      expect(kernel.watched()).toEqual(['host'])
      store.endpoint({ ...here, id: id('4') })
      await loop.settled(a, id('4'))
      await expect.poll(() => kernel.watched().sort()).toEqual([path, 'host'])
      await loop.close()
      expect(kernel.watched()).toEqual([])
    })

    test('a namespace that a person unmounts is mounted again: it lives on through its watch, with its links', async () => {
      const loop = await join()
      const right = await have()
      kernel.refuse('remount', 'mount: permission denied')
      kernel.unmount(path)
      loop.audit()
      await expect.poll(have).toEqual(right)
      expect(kernel.lines.filter((it) => it.startsWith('netns add'))).toHaveLength(1)
      expect(loop.status().get(a)?.lost).toEqual([])
      expect(log('warn')).toContain('the namespace was unmounted, and is mounted again')
    })

    test('a namespace that is gone with all that held it is made anew', async () => {
      const loop = await join()
      kernel.damage(path, () => undefined)
      loop.audit()
      await expect.poll(() => loop.status().get(a)?.lost).toEqual([here.id])
      expect(kernel.lines.filter((it) => it.startsWith('netns add'))).toHaveLength(2)
    })

    test('stray links are looked for as seldom as a network is audited, however many networks there are', async () => {
      kernel = fakeKernel({ tells: true })
      const { strayLinks } = kernel
      let looks = 0
      kernel.strayLinks = () => {
        looks += 1
        return strayLinks()
      }
      const loop = start({ auditMs: 10, slowAuditMs: 500 })
      const networks = ['b', 'c', 'd', 'e', 'f'].map((digit) => id(digit))
      for (const [i, of] of networks.entries()) {
        store.network(network({ id: of, vni: 300 + i }))
        store.map('net-1', { ...Object.fromEntries(networks.map((it) => [it, it])), [a]: a })
        store.endpoint(endpoint(`${i + 4}`, 'net-1', '172.21.0.2', { network: of }))
        await loop.settled(of, id(`${i + 4}`))
      }
      const audits = () => [...kernel.observations.values()].reduce((sum, count) => sum + count, 0)
      const made = audits()
      await until('the looks after the Joins are over', () => audits() >= made + networks.length)
      const before = [looks, audits()] as const
      await until('each network is audited three times', () => audits() >= before[1] + 3 * networks.length)
      expect(looks - before[0]).toBeLessThan(6)
    })
  })

  test('the hosts that use a network and their underlays change its MTU within seconds, without a look', async () => {
    const loop = start()
    store.endpoint(here)
    await loop.settled(a, here.id)
    const mtu = async () => (await have())?.vxlan?.mtuBytes
    const underlay = (mtuBytes: number) =>
      store.host('net-2', {
        vtep: '192.168.33.12',
        driverVersion: '1',
        tunnel: { mtuBytes, answers: true },
      })
    underlay(1400)
    store.use('net-2', a)
    await expect.poll(mtu).toBe(1350)
    store.remove('uses', `net-2/${a}`)
    await expect.poll(mtu).toBe(1450)
    store.use('net-2', a)
    await expect.poll(mtu).toBe(1350)
    underlay(1300)
    await expect.poll(mtu).toBe(1250)
  })

  test('an unused namespace goes at once when Docker has no such network, and else after the grace period', async () => {
    await kernel.apply([{ op: 'namespace-add', namespace: path }])
    docker?.set(a, { ...plainNetwork, id: a })
    const first = start({ auditMs: 5, graceMs: 60_000 })
    await until('Docker was asked', () => asked > 0)
    await first.close()
    expect(await kernel.namespaces()).toEqual([path])
    docker?.delete(a)
    start({ auditMs: 5, graceMs: 60_000 })
    await expect.poll(() => kernel.namespaces()).toEqual([])
  })

  test('an old namespace that holds the VNI is removed, and the network comes up', async () => {
    const first = start()
    store.endpoint(here)
    await first.settled(a, here.id)
    await first.close()
    store.map('net-1', { [id('e')]: a })
    const second = start()
    await second.settled(a)
    expect(await kernel.namespaces()).toEqual(['/netns/eeeeeeeeeeee'])
  })

  test('a network that gets another id on this host moves to its namespace', async () => {
    const loop = start()
    store.endpoint(here)
    await loop.settled(a, here.id)
    store.map('net-1', { [id('e')]: a })
    await expect.poll(() => kernel.namespaces()).toEqual(['/netns/eeeeeeeeeeee'])
  })

  test('a refusal of the kernel is repeated, shown, and gone when it succeeds', async () => {
    const loop = start({ settleMs: 50 })
    kernel.refuse('vxlan-add', 'RTNETLINK answers: Operation not supported', 100)
    store.endpoint(here)
    await expect(loop.settled(a, here.id)).rejects.toMatchObject({
      code: 'kernel',
      message: expect.stringMatching(/^link add vxlan1 .*Operation not supported$/),
    })
    expect(loop.status().get(a)).toMatchObject({
      state: 'failing',
      lastError: expect.stringContaining('not supported'),
    })
    kernel.refuse('vxlan-add', '', 0)
    await expect.poll(() => loop.settled(a, here.id).then(() => 'settled')).toBe('settled')
    expect(loop.status().get(a)).toMatchObject({ lastError: undefined })
    expect((await have())?.ports).toHaveLength(1)
  })

  test('one entry that the kernel refuses is named, and stops neither the other entries nor a Join', async () => {
    const loop = start()
    store.endpoint(there, endpoint('4', 'net-2', '172.21.0.5', { mac: '01:00:5e:00:00:01' }))
    store.endpoint(endpoint('5', 'net-2', '172.21.0.6', { vtep: 'fd00:33::12' }), here)
    await loop.settled(a, here.id)
    expect((await have())?.ports).toHaveLength(1)
    expect((await have())?.fdb.map(({ mac }) => mac)).toEqual([there.mac])
    expect(loop.problems()).toEqual([
      'network aaaaaaaaaaaa: the kernel refuses fdb replace 01:00:5e:00:00:01 dev vxlan1 dst 192.168.33.12: RTNETLINK answers: Operation not supported',
    ])
    store.remove('endpoints', `${a}/${id('4')}`)
    loop.audit()
    await expect.poll(loop.problems).toEqual([])
  })

  test('a failed look removes and adds nothing', async () => {
    const loop = start({ auditMs: 5 })
    store.endpoint(here, there)
    await loop.settled(a, here.id)
    kernel.lines.length = 0
    kernel.refuse('observe', 'netlink: no buffer space', 1)
    await expect.poll(() => log('error')).toEqual(['datapath could not be applied'])
    await expect.poll(() => loop.status().get(a)?.lastError).toBeUndefined()
    expect(kernel.lines).toEqual([])
  })

  test('a network that Docker does not know here is an error with its name', async () => {
    const loop = start({ settleMs: 50 })
    store.map('net-1', {})
    store.endpoint(here)
    await expect(loop.settled(a, here.id)).rejects.toMatchObject({
      code: 'unavailable',
      message: 'network aaaaaaaaaaaa has no Docker network on net-1',
    })
  })

  test('networks do not wait for each other', async () => {
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    kernel = fakeKernel({ before: (op) => (op.namespace === path ? held : Promise.resolve()) })
    store.network(network({ id: id('b'), vni: 257 }))
    store.map('net-1', { [a]: a, [id('b')]: id('b') })
    const loop = start()
    const other = endpoint('5', 'net-1', '172.22.0.2', { network: id('b') })
    store.endpoint(here, other)
    await loop.settled(id('b'), other.id)
    expect(await have()).toBeUndefined()
    release()
    await loop.settled(a, here.id)
  })

  describe('a link without a record', () => {
    const inDocker = (...shown: Endpoint[]): Map<string, EngineNetwork> => {
      const endpoints = shown.map(({ id: of, mac, v4 }) => ({
        id: of,
        mac,
        v4,
        container: 'c1',
        name: 'web',
      }))
      return new Map([[a, { ...plainNetwork, id: a, endpoints }]])
    }
    const links = async () => (await have())?.ports.map(({ name }) => name)
    const joined = async (...more: Endpoint[]): Promise<DatapathLoop> => {
      const loop = start({ auditMs: 5, removalDelayMs: 50 })
      store.endpoint(here, ...more)
      for (const { id: of } of [here, ...more]) await loop.settled(a, of)
      return loop
    }
    const keptBecause = (why: string) => expect.stringContaining(why)

    test('stays while Docker shows its container, is named, and is no link-lost endpoint afterwards', async () => {
      docker = inDocker(here)
      const loop = await joined(endpoint('3', 'net-1', '172.21.0.4'))
      for (const end of ['vxc11111111', 'vxc33333333']) kernel.take(end)
      kernel.lines.length = 0
      forget()
      const why =
        'network aaaaaaaaaaaa: the link veth11111111 of container web is kept: the store has no record'
      await expect.poll(loop.problems).toEqual([keptBecause(why)])
      store.endpoint(here)
      await expect.poll(loop.problems).toEqual([])
      expect(kernel.lines).toEqual([])
      expect(loop.status().get(a)?.lost).toEqual([])
    })

    test('stays with its namespace when it was the last one here', async () => {
      docker = inDocker(here)
      const loop = await joined()
      forget()
      await expect.poll(loop.problems).toEqual([keptBecause('is kept')])
      expect(await links()).toEqual(['veth11111111'])
    })

    test('stays with its namespace when the network’s record is missing too', async () => {
      docker = inDocker(here)
      const loop = await joined()
      store.remove('networks', a)
      forget()
      await expect.poll(loop.problems).toEqual([keptBecause('is kept')])
      expect(await links()).toEqual(['veth11111111'])
    })

    test('stays while Docker cannot be asked', async () => {
      const loop = await joined(endpoint('3', 'net-1', '172.21.0.4'))
      docker = undefined
      forget()
      await expect
        .poll(loop.problems)
        .toEqual([keptBecause('Docker cannot be asked (dockerd does not answer)')])
      expect(await links()).toEqual(['veth11111111', 'veth33333333'])
      docker = inDocker()
      await expect.poll(links).toEqual(['veth33333333'])
    })

    test('goes when Docker has not shown it for the grace period', async () => {
      docker = inDocker()
      const loop = start({ auditMs: 5, graceMs: 300, removalDelayMs: 50 })
      const other = endpoint('3', 'net-1', '172.21.0.4')
      store.endpoint(here, other)
      for (const { id: of } of [here, other]) await loop.settled(a, of)
      const began = performance.now()
      forget()
      await expect.poll(links).toEqual(['veth33333333'])
      expect(performance.now() - began).toBeGreaterThanOrEqual(300)
    })

    test('stays while Docker’s Join is under way', async () => {
      const loop = await joined(endpoint('3', 'net-1', '172.21.0.4'))
      calls.set(here.id, 'join')
      forget()
      await loop.settled(a)
      await loop.settled(a)
      expect(await links()).toEqual(['veth11111111', 'veth33333333'])
    })

    test('goes when another endpoint has the address now', async () => {
      docker = inDocker(here)
      const other = endpoint('3', 'net-1', '172.21.0.4')
      const loop = await joined(other)
      const heir = { host: 'net-2', endpoint: there.id, leasedAt: '2026-01-01T00:00:00Z' }
      store.lease(`${a}/${here.v4}`, heir)
      forget()
      await expect.poll(links).toEqual(['veth33333333'])
      expect(loop.problems()).toEqual([])
    })
  })

  test('a namespace without a record stays while Docker has its network, and is named', async () => {
    docker = new Map([[id('d'), { ...plainNetwork, id: id('d') }]])
    await kernel.apply([{ op: 'namespace-add', namespace: '/netns/dddddddddddd' }])
    const loop = start()
    await expect.poll(loop.problems).toEqual([expect.stringContaining('/netns/dddddddddddd is kept')])
    docker = new Map()
    loop.audit()
    await expect.poll(() => kernel.observe('/netns/dddddddddddd')).toBeUndefined()
    expect(loop.problems()).toEqual([])
  })

  test('nothing of a network whose record cannot be read is removed', async () => {
    const first = start()
    store.endpoint(here)
    await first.settled(a, here.id)
    await first.close()
    store.unreadable({ table: 'networks', key: a })
    store.remove('networks', a)
    const second = start({ auditMs: 5 })
    await expect.poll(() => second.status().get(a)?.namespace).toBe(path)
    await second.settled(a)
    await second.settled(a)
    expect((await have())?.ports).toHaveLength(1)
  })

  test('the entry of an endpoint whose record cannot be read stays', async () => {
    const loop = start()
    store.endpoint(here, there)
    await loop.settled(a, here.id)
    store.unreadable({ table: 'endpoints', key: `${a}/${there.id}` })
    store.remove('endpoints', `${a}/${there.id}`)
    await loop.settled(a)
    expect((await have())?.fdb).toHaveLength(1)
    store.unreadable()
    loop.audit()
    await expect.poll(async () => (await have())?.fdb).toEqual([])
  })

  test('a joined endpoint without a link is named, and gets no pair that hangs in the host’s namespace', async () => {
    const loop = start()
    store.endpoint({ ...here, container: { id: 'c1', name: 'web' } })
    await loop.settled(a)
    expect((await have())?.ports).toEqual([])
    expect(loop.problems()).toEqual([
      'container web has lost its link to network aaaaaaaaaaaa; docker network disconnect aaaaaaaaaaaa web, and connect it again',
    ])
  })

  describe('of the macvlan kind', () => {
    beforeEach(() => store.network(network({ datapath: 'macvlan' })))

    test('a Join makes a child of the VXLAN device, and no bridge', async () => {
      const loop = start()
      store.endpoint(there)
      store.endpoint(here)
      await loop.settled(a, here.id)
      expect(kernel.lines).toMatchInlineSnapshot(`
        [
          "netns add /netns/aaaaaaaaaaaa",
          "link add vxlan1 type vxlan id 256 local 192.168.33.11 dstport 4789 mtu 1450",
          "fdb replace 02:42:ac:15:00:03 dev vxlan1 dst 192.168.33.12",
          "neigh replace 172.21.0.3 lladdr 02:42:ac:15:00:03 dev vxlan1",
          "link add vxc11111111 link vxlan1 type macvlan address 02:42:ac:15:00:02 mtu 1450",
        ]
      `)
    })

    test('a child is seen by its container alone: an audit neither misses it nor makes it again', async () => {
      const loop = start({ auditMs: 5 })
      store.endpoint(here, there)
      await loop.settled(a, here.id)
      kernel.damage(path, (it) => ({ ...it, ports: [], fdb: [] }))
      await expect.poll(async () => (await have())?.fdb).toHaveLength(1)
      expect(kernel.lines.filter((line) => line.includes('macvlan'))).toHaveLength(1)
      expect(loop.status().get(a)?.lost).toEqual([])
    })

    test('a restart takes those that joined before as they are', async () => {
      const first = start()
      store.endpoint(here)
      await first.settled(a, here.id)
      await first.close()
      kernel.lines.length = 0
      const second = start()
      await second.settled(a)
      const next = endpoint('3', 'net-1', '172.21.0.4')
      store.endpoint(next)
      await second.settled(a, next.id)
      expect(kernel.lines).toEqual([expect.stringContaining('link add vxc33333333 link vxlan1 type macvlan')])
      expect(second.status().get(a)?.lost).toEqual([])
    })

    test('when the VXLAN device was deleted it is made again, and the containers that went with it are named', async () => {
      const loop = start({ auditMs: 5 })
      store.endpoint(here, there)
      await loop.settled(a, here.id)
      kernel.damage(path, ({ vxlan: _, ...it }) => ({ ...it, ports: [], fdb: [], neighbours: [] }))
      await expect.poll(() => loop.status().get(a)?.lost).toEqual([here.id])
      expect((await have())?.vxlan).toMatchObject({ vni: 256, master: false })
    })

    test('a child that Docker has put back is removed from the host', async () => {
      const loop = start()
      store.endpoint(here, endpoint('3', 'net-1', '172.21.0.4'))
      await loop.settled(a, here.id)
      kernel.lines.length = 0
      leave()
      await expect.poll(() => kernel.lines).toEqual(['link del vxc11111111 here'])
    })

    test('one that Docker puts back later is removed too, and one whose endpoint is there is not', async () => {
      const loop = start({ auditMs: 5 })
      store.endpoint(here, endpoint('3', 'net-1', '172.21.0.4'))
      await loop.settled(a, here.id)
      for (const end of ['vxc11111111', 'vxc33333333']) kernel.take(end)
      leave()
      await expect.poll(() => kernel.lines.at(-1)).toBe('link del vxc11111111 here')
      for (const end of ['vxc11111111', 'vxc33333333']) kernel.putBack(path, end)
      await expect.poll(kernel.strayLinks).toEqual(['vxc33333333'])
    })
  })
})
