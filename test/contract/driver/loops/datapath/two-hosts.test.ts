/**
 * Two hosts as namespaces of this machine, joined by a bridge in a third, each with its own loop over one
 * store. Containers are namespaces that take the veth's end, as Docker would. Everything below the store is
 * real.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { containerEndName, namespaceOf } from '../../../../../driver/core/datapath/desired.ts'
import { type DatapathKind, datapathKinds, type Endpoint } from '../../../../../driver/core/records.ts'
import { localIdOf } from '../../../../../driver/core/snapshot.ts'
import type { Kernel } from '../../../../../driver/kernel/kernel.ts'
import { realKernel } from '../../../../../driver/kernel/real.ts'
import { type DatapathLoop, startDatapath } from '../../../../../driver/loops/datapath/loop.ts'
import { type Source, source } from '../../../../fixtures/changing-store.ts'
import { endpoint, id, network } from '../../../../fixtures/datapath.sample.ts'
import { readableLog } from '../../../../fixtures/log.ts'
import { isRoot, type Namespaces, namespaces, warnWhenNotRoot } from '../../../../fixtures/namespaces.ts'
import { emptyDocker } from '../../../../fixtures/proof.ts'

warnWhenNotRoot()

interface Host {
  name: string
  path: string
  spaces: Namespaces
  kernel: Kernel
  loop: DatapathLoop
  log: ReturnType<typeof readableLog>
  /** Docker's id of the network on this host. */
  localId: string
}

/** Damage is repaired long before: the kernel tells of it. */
const auditMs = 60_000

/** Lines of `ip` that break a network of that kind. */
const damages: Record<DatapathKind, [string, string][]> = {
  bridge: [
    ['the device is deleted', 'link del vxlan1'],
    ['the device is down', 'link set vxlan1 down'],
    ['the device is taken off the bridge', 'link set vxlan1 nomaster'],
    ['the device has another MTU', 'link set vxlan1 mtu 1300'],
    ['the device has another VTEP', 'link set vxlan1 type vxlan local 192.168.33.99'],
    ['the bridge is down', 'link set br0 down'],
    ['the bridge is deleted', 'link del br0'],
    ['the namespace has lost its mark', 'link set lo alias something'],
    ['a port is taken off the bridge', 'link set veth11111111 nomaster'],
    ['a port learns MACs', 'link set veth11111111 type bridge_slave learning on'],
    ['the device learns MACs at the bridge', 'link set vxlan1 type bridge_slave learning on'],
  ],
  macvlan: [
    ['the device is down', 'link set vxlan1 down'],
    ['the device has another MTU', 'link set vxlan1 mtu 1300'],
    ['the device has another VTEP', 'link set vxlan1 type vxlan local 192.168.33.99'],
    ['the namespace has lost its mark', 'link set lo alias something'],
  ],
}

describe.skipIf(!isRoot).each(datapathKinds)('two hosts, datapath %s', (datapath) => {
  let lab: Namespaces
  let store: Source
  const hosts: Host[] = []
  let underlayBytes = 1500

  beforeAll(() => {
    lab = namespaces()
    store = source()
    store.network(network({ datapath, v6: { cidr: 'fd00:21::/64', gateway: 'fd00:21::ffff', aux: {} } }))
    const wire = lab.add('switch')
    lab.ip(wire, 'link add name sw type bridge\nlink set sw up')
    for (const [name, localId] of [
      ['net-1', id('a')],
      ['net-2', id('b')],
    ] as const) {
      store.map(name, { [localId]: id('a') })
      hosts.push(host(name, localId, wire))
    }
  })
  afterAll(async () => {
    for (const { loop, spaces } of hosts) {
      await loop.close()
      spaces[Symbol.dispose]()
    }
    lab[Symbol.dispose]()
  })

  function host(name: string, localId: string, wire: string): Host {
    const n = name.at(-1)
    const path = lab.add(name)
    lab.ip(
      wire,
      `link add name port${n} type veth peer name eth1 netns ${path}\nlink set port${n} master sw up`,
    )
    lab.ip(path, `address add 192.168.33.1${n}/24 dev eth1\nlink set eth1 up`)
    const made = { name, path, localId, spaces: namespaces(), log: readableLog() }
    const kernel = realKernel({ folder: made.spaces.folder, hostNamespace: path })
    return { ...made, kernel, loop: loopOf({ ...made, kernel }) }
  }

  function loopOf({ name, spaces, kernel, log }: Omit<Host, 'loop'>): DatapathLoop {
    return startDatapath({
      ...emptyDocker,
      store,
      kernel,
      host: name,
      graceMs: 0,
      underlay: () => ({ device: 'eth1', address: `192.168.33.1${name.at(-1)}`, mtuBytes: underlayBytes }),
      log: log.log,
      localNamespaceOf: (of) => {
        const local = localIdOf(store.snapshot(), name, of)
        return local === undefined ? undefined : namespaceOf(local, spaces.folder)
      },
      auditMs,
      slowAuditMs: 30_000,
      removalDelayMs: 100,
      noticeMs: { first: 50, next: 300, afterOwn: 2000 },
      settleMs: 20_000,
    })
  }

  /** Join, then what Docker does: the end into the container, renamed, with its addresses, up. */
  async function run(on: Host, digit: string, v4: string, v6: string): Promise<Container> {
    const value = endpoint(digit, on.name, v4, { v6 })
    store.endpoint(value)
    await on.loop.settled(id('a'), value.id)
    const path = on.spaces.add(`container-${digit}`)
    lab.ip(on.path, `link set ${containerEndName(value.id)} netns ${path} name eth0`)
    lab.ip(path, `address add ${v4}/16 dev eth0\naddress add ${v6}/64 dev eth0 nodad\nlink set eth0 up`)
    const ping = (...args: string[]): boolean => lab.run(path, 'ping', '-c1', '-W1', ...args).code === 0
    return { path, value, ping }
  }

  /** What Docker does when a container leaves the network, before it says that the endpoint is deleted. */
  function leave(on: Host, { path, value }: Container): void {
    lab.ip(path, `link set eth0 down\nlink set eth0 netns ${on.path} name ${containerEndName(value.id)}`)
    store.remove('endpoints', `${id('a')}/${value.id}`)
  }

  interface Container {
    path: string
    value: Endpoint
    /** One packet: the first must arrive. */
    ping(...args: string[]): boolean
  }

  const at = (n: number): Host => {
    const found = hosts[n - 1]
    if (found === undefined) throw new Error(`there is no host ${n}`)
    return found
  }
  const namespace = (on: Host): string => namespaceOf(on.localId, on.spaces.folder)
  /** What the kernel has, in an order that does not depend on its hash tables. */
  const seen = async (on: Host) => {
    const have = await on.kernel.observe(namespace(on))
    const lines = [have?.ports, have?.fdb, have?.neighbours].flat().map((it) => JSON.stringify(it))
    return { marked: have?.marked, bridge: have?.bridge, vxlan: have?.vxlan, lines: lines.sort() }
  }
  /** How often the driver has found damage. A look at the kernel may come too late to see it. */
  const repairs = (on: Host): number =>
    on.log.entries.filter(({ message }) => message === 'datapath was altered, repaired').length
  const settled = async (): Promise<void> => {
    await Promise.all(hosts.map(({ loop }) => loop.settled(id('a'))))
  }
  let one: Container
  let two: Container
  /** Read once: a repair renews entries one by one, and what is read during the last one lacks an entry. */
  let before: Awaited<ReturnType<typeof seen>>

  test('containers reach each other with the first packet, over IPv4 and IPv6, both ways', async () => {
    one = await run(at(1), '1', '172.21.0.2', 'fd00:21::2')
    two = await run(at(2), '2', '172.21.0.3', 'fd00:21::3')
    await settled()
    expect(one.ping('172.21.0.3')).toBe(true)
    expect(one.ping('fd00:21::3')).toBe(true)
    expect(two.ping('172.21.0.2')).toBe(true)
    expect(two.ping('fd00:21::2')).toBe(true)
  })

  test('containers of one host reach each other too', async () => {
    const three = await run(at(1), '3', '172.21.0.4', 'fd00:21::4')
    await settled()
    // The bridge forwards to a new port when the kernel's queue of link events has come to it.
    await expect.poll(() => one.ping('172.21.0.4')).toBe(true)
    expect(one.ping('fd00:21::4')).toBe(true)
    expect(two.ping('172.21.0.4')).toBe(true)
    expect(three.ping('172.21.0.3')).toBe(true)
  })

  test('the proxy claims no address it does not know: a new one passes duplicate detection', async () => {
    lab.ip(one.path, 'address add fd00:21::99/64 dev eth0')
    await expect
      .poll(() => lab.run(one.path, 'ip', '-6', 'address', 'show', 'dev', 'eth0').stdout)
      .not.toContain('tentative')
    expect(lab.run(one.path, 'ip', '-6', 'address', 'show', 'dev', 'eth0').stdout).not.toContain('dadfailed')
    // or it would be the source of what follows, and no host knows it
    lab.ip(one.path, 'address del fd00:21::99/64 dev eth0')
  })

  test('a packet of exactly the MTU passes with DF set, one byte more does not', () => {
    const [mtu, ip4, ip6] = [1450, 28, 48]
    const oversize = (...args: string[]): string => {
      const { code, stdout, stderr } = lab.run(one.path, 'ping', '-c1', '-W0.2', '-Mdo', ...args)
      return `${code} ${stdout}${stderr}`
    }
    expect(one.ping('-Mdo', `-s${mtu - ip4}`, '172.21.0.3')).toBe(true)
    expect(oversize(`-s${mtu - ip4 + 1}`, '172.21.0.3')).toMatch(/^1 [\s\S]*message too long, mtu[=:] ?1450/)
    expect(one.ping('-Mdo', `-s${mtu - ip6}`, 'fd00:21::3')).toBe(true)
    expect(oversize(`-s${mtu - ip6 + 1}`, 'fd00:21::3')).toMatch(/^1 [\s\S]*message too long, mtu[=:] ?1450/)
  })

  test('an underlay that is too small for IPv6 fragments, and containers keep their IPv6 addresses', async () => {
    const addresses = (): string => lab.run(one.path, 'ip', '-6', 'address', 'show', 'dev', 'eth0').stdout
    const becomes = async (bytes: number, mtu: number): Promise<void> => {
      underlayBytes = bytes
      for (const { path, loop } of hosts) {
        lab.ip(path, `link set eth1 mtu ${bytes}`)
        loop.replan()
      }
      for (const { path } of [one, two])
        await expect
          .poll(() => lab.run(path, 'ip', 'link', 'show', 'dev', 'eth0').stdout)
          .toContain(`mtu ${mtu} `)
      await settled()
    }
    await becomes(1300, 1280)
    expect(addresses()).toContain('fd00:21::2/64')
    expect(one.ping('-Mdo', `-s${1280 - 48}`, 'fd00:21::3')).toBe(true)
    // A macvlan child does not rise with its device.
    const risen = datapath === 'bridge' ? 1450 : 1280
    await becomes(1500, risen)
    expect(addresses()).toContain('fd00:21::2/64')
    expect(one.ping('-Mdo', `-s${risen - 48}`, 'fd00:21::3')).toBe(true)
  })

  test('entries deleted or altered by hand are repaired', async () => {
    const path = namespace(at(1))
    await settled()
    before = await seen(at(1))
    const earlier = repairs(at(1))
    lab.ip(
      path,
      `neigh del 172.21.0.3 dev vxlan1
       neigh replace fd00:21::3 lladdr 02:00:00:00:00:01 nud permanent dev vxlan1`,
    )
    lab.ip(path, `fdb replace ${two.value.mac} dev vxlan1 dst 192.168.33.99 self permanent`, 'bridge')
    await expect.poll(() => repairs(at(1))).toBeGreaterThan(earlier)
    await expect.poll(() => seen(at(1))).toEqual(before)
    expect(one.ping('172.21.0.3')).toBe(true)
    // The container may have asked meanwhile: it believes the altered answer until its cache asks again.
    await expect.poll(() => one.ping('fd00:21::3'), { timeout: 60_000 }).toBe(true)
    expect(at(1).log.entries.find((it) => it.level === 'warn')?.fields).toMatchObject({
      reasons: expect.arrayContaining(['fdb 02:42:ac:15:00:03: 192.168.33.99 vs 192.168.33.12']),
    })
  })

  test.each(damages[datapath])('when %s, it is repaired', async (_, line) => {
    // What is still applied of the last repair may mend this damage unseen.
    await settled()
    const earlier = repairs(at(1))
    lab.ip(namespace(at(1)), line)
    await expect.poll(() => repairs(at(1))).toBeGreaterThan(earlier)
    await expect.poll(() => seen(at(1))).toEqual(before)
    expect(one.ping('172.21.0.3')).toBe(true)
    expect(one.ping('fd00:21::3')).toBe(true)
  })

  test('no packet is lost over a restart of the driver', async () => {
    const host1 = at(1)
    await host1.loop.close()
    expect(one.ping('172.21.0.3')).toBe(true)
    host1.loop = loopOf(host1)
    await host1.loop.settled(id('a'))
    expect(host1.loop.status().get(id('a'))).toMatchObject({ ops: 0, lost: [] })
    expect(await seen(host1)).toEqual(before)
  })

  test('an address that moves to another host is reached there, by containers that know its old place', async () => {
    const mover = await run(at(2), '5', '172.21.0.9', 'fd00:21::9')
    await settled()
    expect(one.ping('172.21.0.9')).toBe(true)
    leave(at(2), mover)
    await run(at(1), '6', '172.21.0.9', 'fd00:21::9')
    await settled()
    expect(one.ping('172.21.0.9')).toBe(true)
    expect(two.ping('172.21.0.9')).toBe(true)
  })

  test('a container that has gone leaves no entry anywhere', async () => {
    store.remove('endpoints', `${id('a')}/${two.value.id}`)
    await expect
      .poll(async () => JSON.stringify(await at(1).kernel.observe(namespace(at(1)))))
      .not.toContain(two.value.mac)
    await expect.poll(() => at(2).kernel.namespaces()).toEqual([])
    expect(lab.run(at(2).path, 'ss', '-uln').stdout).not.toContain(':4789')
  })

  test('when the last one has gone, nothing is left', async () => {
    const ends = lab.run(at(1).path, 'ip', '-br', 'link').stdout
    expect(ends).not.toContain('vxc')
    store.remove('endpoints', ...store.snapshot().endpoints.keys())
    await expect.poll(() => at(1).kernel.namespaces()).toEqual([])
    expect(lab.run(at(1).path, 'ip', '-br', 'link').stdout).toBe(ends)
    expect(hosts.flatMap(({ log }) => log.entries).filter((it) => it.level === 'error')).toEqual([])
  })
})
