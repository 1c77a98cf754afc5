import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { HostRecord } from '../../../../../driver/core/records.ts'
import { tunnelSentence } from '../../../../../driver/core/tunnels/peers.ts'
import type { TunnelSocket } from '../../../../../driver/kernel/tunnel-socket.ts'
import { silentLog } from '../../../../../driver/log.ts'
import { startTunnels, type TunnelsLoop } from '../../../../../driver/loops/tunnels/loop.ts'
import { createMemoryCluster, type MemoryCluster } from '../../../../fixtures/memory-store.ts'
import { endpoint, network } from '../../../../fixtures/store-records.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }))
afterEach(() => void vi.useRealTimers())

/**
 * An underlay in memory: a packet reaches the VTEP unless it is too long, or the address or its port is cut
 * off. A host without power answers nothing, a firewall that rejects refuses every other port.
 */
function wire() {
  const listeners = new Map<string, (data: Buffer) => void>()
  const drivers = new Set<string>()
  const [cut, withoutPower, rejecting] = [new Set<string>(), new Set<string>(), new Set<string>()]
  /** Hosts without a VXLAN device: they have booted, and their drivers have not started. */
  const booted = new Set<string>()
  const limits = { mtuBytes: 1500 }
  let sent = 0
  let driverPort = 40_000
  const open = async (vtep: string, port: number): Promise<TunnelSocket> => {
    driverPort += 1
    const own = `${vtep}:${driverPort}`
    drivers.add(own)
    return {
      vtep,
      driverPort,
      async send(packet, to, toPort = port) {
        sent += 1
        const fits = packet.length + 28 <= limits.mtuBytes
        const isCut = cut.has(to) || cut.has(`${to}:${toPort}`) || !drivers.has(own)
        if (fits && !isCut) listeners.get(`${to}:${toPort}`)?.(packet.subarray(50))
        return undefined
      },
      isRefused: async (to, at) =>
        rejecting.has(to) ||
        (!withoutPower.has(to) && (at === port ? booted.has(to) : !drivers.has(`${to}:${at}`))),
      onMessage: (listener) => void listeners.set(`${vtep}:${port}`, listener),
      close() {
        listeners.delete(`${vtep}:${port}`)
        drivers.delete(own)
      },
    }
  }
  /** The host's driver dies: it says nothing, and the kernel closes its sockets. */
  const kill = (vtep: string): void => {
    for (const all of [listeners, drivers])
      for (const at of all.keys()) if (at.startsWith(`${vtep}:`)) all.delete(at)
  }
  const sockets = () => [...listeners.keys()].sort()
  return { open, kill, cut, withoutPower, booted, rejecting, limits, sent: () => sent, sockets }
}

const vtepOf = (name: string): string => `192.168.33.1${name.at(-1)}`

async function cluster(
  tunnels: Record<string, HostRecord['tunnel']>,
  away: string[] = [],
  onAway: (host: string) => void = () => undefined,
) {
  const memory = createMemoryCluster()
  memory.put('networks', 'n1', JSON.stringify(network('n1')))
  for (const [i, [name, tunnel]] of Object.entries(tunnels).entries()) {
    const record = { vtep: vtepOf(name), driverVersion: '0.1.0', ...(tunnel && { tunnel }) }
    memory.put('hosts', name, JSON.stringify(record))
    const at = {
      ...endpoint('n1', `e${i}`),
      host: name,
      vtep: vtepOf(name),
      v4: `10.0.0.${i + 2}`,
      joined: true,
    }
    memory.put('endpoints', `n1/e${i}`, JSON.stringify(at))
    if (!away.includes(name)) await memory.open(name).announce({ id: name, vtep: vtepOf(name) })
  }
  const start = (name: string, { open }: ReturnType<typeof wire>): TunnelsLoop =>
    startTunnels({
      store: { ...memory.open(name), journal: { waiting: () => [] } },
      peerEndpoints: { receive: () => undefined, on: (snapshot) => snapshot },
      host: name,
      underlay: () => ({ device: 'eth1', address: vtepOf(name), mtuBytes: tunnels[name]?.mtuBytes ?? 1500 }),
      openTunnel: open,
      everyMs: 1000,
      onChange: () => undefined,
      onAway: () => onAway(name),
      log: silentLog,
    })
  return Object.assign(start, { memory })
}

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
}

const states = (loop: TunnelsLoop): string[] => loop.status().map(({ host, state }) => `${host} ${state}`)
const answering = { mtuBytes: 1500, answers: true }

test('a peer that answers is known at once, one that stops is named within 5 s, and known again within a second', async () => {
  const start = await cluster({ 'net-1': answering, 'net-2': answering })
  const between = wire()
  const net1 = start('net-1', between)
  const net2 = start('net-2', between)
  await pass(1100)
  expect(states(net1)).toEqual(['net-2 answers'])
  expect(net2.status()).toMatchObject([{ probeBytes: 1500, state: 'answers' }])
  between.cut.add(vtepOf('net-2'))
  await pass(2000)
  expect(states(net1)).toEqual(['net-2 answers'])
  await pass(2900)
  expect(states(net1)).toEqual(['net-2 silent'])
  expect(states(net2), 'its answers come through, its questions do not').toEqual(['net-1 silent'])
  expect(net1.status().map((it) => tunnelSentence(it, 7))[0]).toMatch(
    /in this order: a route to the other host by another interface than its packets come by \(the filter has refused 7:/,
  )
  expect(net1.status().map((it) => tunnelSentence(it))[0]).toMatch(
    /^host net-2 \(192.168.33.12\): no answer through the tunnel, for \d s; usual causes, in this order: a firewall/,
  )
  between.cut.clear()
  await pass(1000)
  expect(states(net1)).toEqual(['net-2 answers'])
  await net1.close()
  await net2.close()
})

test('a link with a smaller MTU is told from a firewall', async () => {
  const start = await cluster({ 'net-1': answering, 'net-2': answering })
  const between = wire()
  const [net1, net2] = [start('net-1', between), start('net-2', between)]
  await pass(1000)
  between.limits.mtuBytes = 1400
  await pass(5000)
  expect(states(net1)).toEqual(['net-2 small-only'])
  expect(net1.status().map((it) => tunnelSentence(it))[0]).toContain('none of 1500 bytes')
  await net1.close()
  await net2.close()
})

test('the probe is as long as the smaller of both underlays allows', async () => {
  const start = await cluster({
    'net-1': { mtuBytes: 9000, answers: true },
    'net-2': { mtuBytes: 1400, answers: true },
  })
  const between = { ...wire() }
  between.limits.mtuBytes = 1400
  const [net1, net2] = [start('net-1', between), start('net-2', between)]
  await pass(1000)
  expect(states(net1)).toEqual(['net-2 answers'])
  expect(states(net2)).toEqual(['net-1 answers'])
  await net1.close()
  await net2.close()
})

test('an older driver is unknown, not bad, and is not asked', async () => {
  const start = await cluster({
    'net-1': answering,
    'net-2': undefined,
    'net-3': { mtuBytes: 1500, answers: false },
  })
  const between = wire()
  const net1 = start('net-1', between)
  await pass(10_000)
  expect(states(net1)).toEqual(['net-2 unknown', 'net-3 unknown'])
  expect(net1.status().map((it) => tunnelSentence(it))).toEqual([undefined, undefined])
  expect(between.sent()).toBe(0)
  await net1.close()
})

test('a host that is away is not named', async () => {
  const start = await cluster({ 'net-1': answering, 'net-2': answering }, ['net-2'])
  const net1 = start('net-1', wire())
  await pass(6000)
  expect(states(net1)).toEqual(['net-2 away'])
  expect(net1.status().map((it) => tunnelSentence(it))).toEqual([undefined])
  await net1.close()
})

test('a driver that stops says so, and is not named', async () => {
  const start = await cluster({ 'net-1': answering, 'net-2': answering })
  const between = wire()
  const [net1, net2] = [start('net-1', between), start('net-2', between)]
  await pass(1000)
  await net2.close()
  await pass(20_000)
  expect(states(net1)).toEqual(['net-2 unknown'])
  await pass(20_000)
  expect(states(net1)).not.toEqual(['net-2 unknown'])
  await net1.close()
})

test('a driver that starts publishes what its record says until its sockets are open', async () => {
  const both = { ...answering, ports: [8472] }
  const start = await cluster({ 'net-1': both, 'net-2': { mtuBytes: 1500, answers: false } })
  await share(start.memory, 8472)
  const between = wire()
  const [net1, net2] = [start('net-1', between), start('net-2', between)]
  expect(net1.published()).toEqual(both)
  expect(net2.published()).toEqual({ mtuBytes: 1500, answers: false })
  await pass(2000)
  expect(net1.published()).toEqual(both)
  expect(net2.published()).toEqual(both)
  await net1.close()
  await net2.close()
})

describe('a driver that is killed', () => {
  test('is down, and its host is not away, also without a session and for long', async () => {
    const start = await cluster({ 'net-1': answering, 'net-2': answering }, ['net-2'])
    const between = wire()
    const [net1, net2] = [start('net-1', between), start('net-2', between)]
    await pass(2000)
    between.kill(vtepOf('net-2'))
    const seen = new Set<string>()
    for (let second = 0; second < 60; second++) {
      await pass(1000)
      for (const state of states(net1)) seen.add(state)
      expect([...net1.away()]).toEqual([])
    }
    expect([...seen]).toEqual(['net-2 answers', 'net-2 driver-down'])
    expect(net1.status().map((it) => tunnelSentence(it))).toEqual([undefined])
    expect(net1.status()[0]?.silentS).toBeGreaterThan(50)
    await net1.close()
    await net2.close()
  })

  test('again and again changes nothing for names, however long it lives and is down', async () => {
    const told: string[] = []
    const start = await cluster({ 'net-1': answering, 'net-2': answering }, [], (host) => {
      if (host === 'net-1') told.push(host)
    })
    const between = wire()
    const net1 = start('net-1', between)
    for (let round = 1; round < 20; round++) {
      const net2 = start('net-2', between)
      await pass(500 + 400 * (20 - round))
      between.kill(vtepOf('net-2'))
      await net2.close()
      await pass(700 * round)
    }
    expect(told).toEqual([])
    await net1.close()
  })

  test('on a host that then loses power is away 3.5 s later', async () => {
    const start = await cluster({ 'net-1': answering, 'net-2': answering })
    const between = wire()
    const [net1, net2] = [start('net-1', between), start('net-2', between)]
    await pass(2000)
    between.kill(vtepOf('net-2'))
    await pass(10_000)
    between.withoutPower.add(vtepOf('net-2'))
    await pass(5000)
    expect([...net1.away()]).toEqual(['net-2'])
    await net1.close()
    await net2.close()
  })

  test('with the power of its host is away, and is not back before its driver answers', async () => {
    const start = await cluster({ 'net-1': answering, 'net-2': answering })
    const between = wire()
    const [net1, net2] = [start('net-1', between), start('net-2', between)]
    await pass(2000)
    between.kill(vtepOf('net-2'))
    between.withoutPower.add(vtepOf('net-2'))
    await pass(5000)
    expect([...net1.away()]).toEqual(['net-2'])
    between.withoutPower.clear()
    between.booted.add(vtepOf('net-2'))
    await pass(10_000)
    expect(states(net1), 'the kernel has booted').toEqual(['net-2 silent'])
    expect([...net1.away()]).toEqual(['net-2'])
    await net2.close()
    const again = start('net-2', between)
    await pass(2000)
    expect([...net1.away()]).toEqual([])
    await net1.close()
    await again.close()
  })

  test('beside a host that boots, and does not come back with it, is away', async () => {
    const start = await cluster({ 'net-1': answering, 'net-2': answering })
    const between = wire()
    const [net1, net2] = [start('net-1', between), start('net-2', between)]
    await pass(2000)
    await net2.close()
    between.withoutPower.add(vtepOf('net-2'))
    await pass(10_000)
    between.withoutPower.clear()
    between.booted.add(vtepOf('net-2'))
    await pass(30_000)
    expect([...net1.away()]).toEqual(['net-2'])
    await net1.close()
  })

  test('is told from a firewall that rejects: a driver that asks is not down', async () => {
    const start = await cluster({ 'net-1': answering, 'net-2': answering })
    const between = wire()
    const [net1, net2] = [start('net-1', between), start('net-2', between)]
    await pass(2000)
    between.rejecting.add(vtepOf('net-2'))
    between.cut.add(vtepOf('net-2'))
    await pass(8000)
    expect(states(net1)).toEqual(['net-2 silent'])
    expect([...net1.away()]).toEqual(['net-2'])
    await net1.close()
    await net2.close()
  })

  test('with the power of its host is away beside a firewall that rejects other ports', async () => {
    const start = await cluster({ 'net-1': answering, 'net-2': answering })
    const between = wire()
    between.rejecting.add(vtepOf('net-2'))
    const [net1, net2] = [start('net-1', between), start('net-2', between)]
    await pass(5000)
    between.kill(vtepOf('net-2'))
    between.withoutPower.add(vtepOf('net-2'))
    await pass(5000)
    expect([...net1.away()]).toEqual(['net-2'])
    await net1.close()
    await net2.close()
  })

  test('is told from a firewall that rejects all ports both ways: its session does not end', async () => {
    const start = await cluster({ 'net-1': answering, 'net-2': answering })
    const between = wire()
    const [net1, net2] = [start('net-1', between), start('net-2', between)]
    await pass(2000)
    for (const host of ['net-1', 'net-2']) {
      between.rejecting.add(vtepOf(host))
      between.cut.add(vtepOf(host))
    }
    await pass(50_000)
    expect(states(net1)).toEqual(['net-2 silent'])
    expect([...net1.away()]).toEqual(['net-2'])
    await net1.close()
    await net2.close()
  })

  test('or stopped is down as well, and stays so', async () => {
    const start = await cluster({ 'net-1': answering, 'net-2': answering }, ['net-2'])
    const between = wire()
    const [net1, net2] = [start('net-1', between), start('net-2', between)]
    await pass(2000)
    await net2.close()
    await pass(60_000)
    expect(states(net1)).toEqual(['net-2 driver-down'])
    expect([...net1.away()]).toEqual([])
    await net1.close()
  })
})

test('a driver that has stopped and started again is silent as soon as any other', async () => {
  const start = await cluster({ 'net-1': answering, 'net-2': answering })
  const between = wire()
  const net1 = start('net-1', between)
  const before = start('net-2', between)
  await pass(2000)
  await before.close()
  const net2 = start('net-2', between)
  await pass(2000)
  expect(states(net1)).toEqual(['net-2 answers'])
  for (const name of ['net-1', 'net-2']) between.cut.add(vtepOf(name))
  await pass(5000)
  expect(states(net1)).toEqual(['net-2 silent'])
  await Promise.all([net1.close(), net2.close()])
})

test('a host with a VTEP of the other family is not asked: no tunnel leads there', async () => {
  const start = await cluster({ 'net-1': answering, 'net-2': answering })
  const value = { vtep: 'fd00:33::13', driverVersion: '0.1.0', tunnel: answering }
  const at = { host: 'net-3', vtep: value.vtep, v4: '10.0.0.9', mac: '02:42:0a:00:00:09', joined: true }
  await start.memory.open('net-3').commit([
    { op: 'create', table: 'hosts', key: 'net-3', value },
    { op: 'create', table: 'endpoints', key: 'n1/e9', value: endpoint('n1', 'e9', at) },
  ])
  const net1 = start('net-1', wire())
  await pass(5000)
  expect(states(net1)).toEqual(['net-2 silent'])
  await net1.close()
})

describe('a host that is away, for names', () => {
  test('is silent in the tunnel, whatever the store says, and is back with its answers', async () => {
    const told: string[] = []
    const start = await cluster(
      { 'net-1': answering, 'net-2': answering },
      [],
      (host) => void told.push(host),
    )
    const between = wire()
    const [net1, net2] = [start('net-1', between), start('net-2', between)]
    await pass(2000)
    between.cut.add(vtepOf('net-2'))
    await pass(2000)
    expect([...net1.away()], 'two lost questions').toEqual([])
    await pass(3000)
    expect([...net1.away()]).toEqual(['net-2'])
    expect(net1.away(), 'the same set while nothing changes').toBe(net1.away())
    between.cut.clear()
    await pass(2000)
    expect([...net1.away()]).toEqual([])
    expect(told.filter((host) => host === 'net-1')).toHaveLength(2)
    await net1.close()
    await net2.close()
  })

  test('is not one that answers and has no session, and not one whose driver is stopping', async () => {
    const start = await cluster({ 'net-1': answering, 'net-2': answering }, ['net-2'])
    const between = wire()
    const [net1, net2] = [start('net-1', between), start('net-2', between)]
    await pass(20_000)
    expect([...net1.away()]).toEqual([])
    await net2.close()
    await pass(20_000)
    expect([...net1.away()]).toEqual([])
    await net1.close()
  })

  test('has no session for a while where it is not probed', async () => {
    const start = await cluster({ 'net-1': answering, 'net-2': undefined, 'net-3': undefined }, ['net-3'])
    const net1 = start('net-1', wire())
    await pass(8000)
    expect([...net1.away()]).toEqual([])
    await pass(10_000)
    expect([...net1.away()]).toEqual(['net-3'])
    await net1.close()
  })

  test('is back when it has been reached for 30 s, once it has gone three times within a minute', async () => {
    const told: number[] = []
    const start = await cluster({ 'net-1': answering, 'net-2': answering }, [], (host) => {
      if (host === 'net-1') told.push(performance.now())
    })
    const between = wire()
    const [net1, net2] = [start('net-1', between), start('net-2', between)]
    for (let round = 0; round < 10; round++) {
      await pass(10_000)
      between.cut.add(vtepOf('net-2'))
      await pass(5000)
      between.cut.clear()
    }
    expect(told).toHaveLength(5)
    expect([...net1.away()]).toEqual(['net-2'])
    await pass(28_000)
    expect([...net1.away()]).toEqual(['net-2'])
    await pass(5000)
    expect([...net1.away()]).toEqual([])
    await net1.close()
    await net2.close()
  })

  test('is told once a second at most when its tunnel flaps', async () => {
    const told: number[] = []
    const start = await cluster({ 'net-1': answering, 'net-2': answering }, [], (host) => {
      if (host === 'net-1') told.push(performance.now())
    })
    const between = wire()
    const [net1, net2] = [start('net-1', between), start('net-2', between)]
    for (let round = 0; round < 20; round++) {
      between.cut.add(vtepOf('net-2'))
      await pass(300 * (round % 17))
      between.cut.clear()
      await pass(100 * (round % 13))
    }
    expect(told.length).toBeGreaterThan(2)
    const pauses = told.slice(1).map((at, i) => at - (told[i] ?? 0))
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(1000)
    await net1.close()
    await net2.close()
  })
})

test('a second costs one packet and one answer per peer', async () => {
  const start = await cluster({ 'net-1': answering, 'net-2': answering })
  const between = wire()
  const [net1, net2] = [start('net-1', between), start('net-2', between)]
  await pass(3000)
  const before = between.sent()
  await pass(10_000)
  expect(between.sent() - before).toBeLessThanOrEqual(40)
  await net1.close()
  await net2.close()
})

test('on request every host of the cluster is asked, with a shared network or without', async () => {
  vi.useRealTimers()
  const memory = createMemoryCluster()
  const between = wire()
  const start = (name: string): TunnelsLoop =>
    startTunnels({
      store: { ...memory.open(name), journal: { waiting: () => [] } },
      peerEndpoints: { receive: () => undefined, on: (snapshot) => snapshot },
      host: name,
      underlay: () => ({ device: 'eth1', address: vtepOf(name), mtuBytes: 1500 }),
      openTunnel: between.open,
      onChange: () => undefined,
      onAway: () => undefined,
      log: silentLog,
      everyMs: 10,
    })
  for (const name of ['net-1', 'net-2'])
    memory.put(
      'hosts',
      name,
      JSON.stringify({ vtep: vtepOf(name), driverVersion: '0.1.0', tunnel: answering }),
    )
  const [net1, net2] = [start('net-1'), start('net-2')]
  expect(states(net1)).toEqual([])
  expect(await net1.askAll()).toMatchObject([{ host: 'net-2', state: 'answers', probeBytes: 1500 }])
  await net1.close()
  await net2.close()
})

/** A second network of both hosts, on another port than VXLAN's. Returns the function that ends its use. */
async function share(memory: MemoryCluster, port: number): Promise<() => Promise<void>> {
  const store = memory.open('net-9')
  const value = network('n2', { vni: port, port })
  const endpoints = ['net-1', 'net-2'].map((host) =>
    endpoint('n2', host, { host, vtep: vtepOf(host), joined: true }),
  )
  const created = endpoints.map(
    (it) => ({ op: 'create', table: 'endpoints', key: `n2/${it.id}`, value: it }) as const,
  )
  await store.commit([{ op: 'create', table: 'networks', key: 'n2', value }, ...created])
  return () => store.commit(created.map(({ table, key }) => ({ op: 'drop', table, key })))
}

describe('the port of a network', () => {
  const both = { ...answering, ports: [8472] }

  test('behind a firewall is named with the peer, beside the port that answers', async () => {
    const start = await cluster({ 'net-1': both, 'net-2': both })
    await share(start.memory, 8472)
    const between = wire()
    const [net1, net2] = [start('net-1', between), start('net-2', between)]
    await pass(3000)
    expect(states(net1)).toEqual(['net-2 answers', 'net-2 answers'])
    between.cut.add(`${vtepOf('net-2')}:8472`)
    await pass(5000)
    expect(net1.status()).toMatchObject([
      { host: 'net-2', port: 4789, state: 'answers' },
      { host: 'net-2', port: 8472, state: 'silent' },
    ])
    expect(net1.status().map((it) => tunnelSentence(it))[1]).toMatch(
      /^host net-2 \(192.168.33.12\), UDP 8472: no answer through the tunnel, for \d s; .* drops UDP 8472,/,
    )
    await net1.close()
    await net2.close()
    expect(between.sockets()).toEqual([])
  })

  test('is probed, and published, while both hosts use the network', async () => {
    const start = await cluster({ 'net-1': both, 'net-2': both })
    const between = wire()
    const [net1, net2] = [start('net-1', between), start('net-2', between)]
    await pass(1100)
    const usual = [`${vtepOf('net-1')}:4789`, `${vtepOf('net-2')}:4789`]
    expect(between.sockets()).toEqual(usual)
    expect(net1.published()).toEqual({ mtuBytes: 1500, answers: true })
    const end = await share(start.memory, 8472)
    await pass(2000)
    expect(net1.published()).toEqual({ mtuBytes: 1500, answers: true, ports: [8472] })
    expect(states(net1)).toEqual(['net-2 answers', 'net-2 answers'])
    await end()
    await pass(1100)
    expect(between.sockets()).toEqual(usual)
    expect(net1.published()).toEqual({ mtuBytes: 1500, answers: true })
    expect(states(net1)).toEqual(['net-2 answers'])
    await net1.close()
    await net2.close()
  })

  test('is unknown where the peer publishes no answers on it, and not asked', async () => {
    const start = await cluster({ 'net-1': answering, 'net-2': answering })
    await share(start.memory, 8472)
    const between = wire()
    const net1 = start('net-1', between)
    await pass(10_000)
    expect(states(net1)).toEqual(['net-2 silent', 'net-2 unknown'])
    await net1.close()
  })
})
