/** Another program's VXLAN device in a host's namespace; at its other end is a machine that is no member. */
import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { realKernel } from '../../../../driver/kernel/real.ts'
import { fakeKernel } from '../../../fixtures/fake-kernel.ts'
import { startHost, type TestHost } from '../../../fixtures/host.ts'
import { createMemoryCluster } from '../../../fixtures/memory-store.ts'
import { isRoot, type Namespaces, namespaces, warnWhenNotRoot } from '../../../fixtures/namespaces.ts'
import { until } from '../../../fixtures/until.ts'

warnWhenNotRoot()

const hasNft = spawnSync('sh', ['-c', 'command -v nft']).status === 0

describe.skipIf(!isRoot || !hasNft)('another program’s VXLAN device', () => {
  const [vtep, stranger] = ['192.168.33.12', '192.168.33.99']
  let spaces: Namespaces
  let [path, far] = ['', '']
  let net1: TestHost
  let net2: TestHost

  beforeAll(async () => {
    spaces = namespaces()
    path = spaces.add('host')
    far = spaces.add('far')
    spaces.ip(path, `link add name eth1 type veth peer name eth1 netns ${far}`)
    spaces.ip(path, `address add ${vtep}/24 dev eth1\nlink set eth1 up`)
    spaces.ip(far, `address add ${stranger}/24 dev eth1\nlink set eth1 up`)
    joinToStranger(256)
    const ofSwarm = spaces.add('1-n0f3wqmz1c')
    spaces.ip(path, `link add name vxlan0 netns ${ofSwarm} type vxlan id 4097 dstport 4789`)
    const memory = createMemoryCluster()
    const start = (number: number, kernel: TestHost['kernel'], namespaceFolder?: string) =>
      startHost({
        name: `net-${number}`,
        kernel,
        underlay: { device: 'eth1', address: `192.168.33.1${number}`, mtuBytes: 1500 },
        openStore: () => memory.open(`net-${number}`),
        ...(namespaceFolder === undefined ? {} : { namespaceFolder }),
      })
    net1 = await start(1, fakeKernel())
    net2 = await start(2, realKernel({ folder: spaces.folder, hostNamespace: path }), spaces.folder)
  })
  afterAll(async () => {
    await net1?.[Symbol.asyncDispose]()
    await net2?.[Symbol.asyncDispose]()
    spaces?.[Symbol.dispose]()
  })

  /** Both ends have an address in a subnet of the VNI's own. */
  function joinToStranger(vni: number): void {
    const end = (here: string, local: string, remote: string, last: number): void =>
      spaces.ip(
        here,
        `link add name their${vni} type vxlan id ${vni} local ${local} remote ${remote} dstport 4789
         address add 10.${vni >> 8}.${vni & 255}.${last}/24 dev their${vni}
         link set their${vni} up`,
      )
    end(path, vtep, stranger, 1)
    end(far, stranger, vtep, 2)
  }
  const send = (vni: number) =>
    spaces.run(far, 'bash', '-c', `echo > /dev/udp/10.${vni >> 8}.${vni & 255}.1/9`)
  /** Packets that have come to the device of net-2. */
  const received = (vni: number): number =>
    JSON.parse(spaces.run(path, 'ip', '-j', '-s', 'link', 'show', `their${vni}`).stdout)[0].stats64.rx.packets
  const arrives = async (vni: number): Promise<void> => {
    const before = received(vni)
    send(vni)
    await until(`a packet of VNI ${vni} arrives`, () => received(vni) > before)
  }
  const filter = (): string => spaces.run(path, 'nft', 'list', 'table', 'inet', 'multihost').stdout
  const dropped = (): number => Number(/counter arriving \{\s+packets (\d+)/.exec(filter())?.[1])
  const published = () => net1.store.snapshot().hosts.get('net-2')?.value.foreignVxlans
  /** The network's VNI, once the filter of net-2 judges it. */
  const created = async (name: string): Promise<number> => {
    const id = await net1.docker.create(name)
    const vni = net1.store.snapshot().networks.get(id)?.value.vni ?? 0
    const judged = new RegExp(`@th,96,24 \\{[^}]*0x0*${vni.toString(16)}\\b`)
    await until(`the filter judges VNI ${vni}`, () => judged.test(filter()))
    return vni
  }

  test('keeps its VNI: a network gets another one, and what no member sends still arrives', async () => {
    await until('net-2 has published the devices', () => published()?.length === 2)
    expect(published()).toEqual([
      { vni: 256, port: 4789 },
      { vni: 4097, port: 4789 },
    ])
    expect(await created('foobar')).toBe(257)
    await until('net-2 has the network', () => net2.docker.ls().join() === 'foobar')
    await net2.docker.run('one', 'foobar')
    await arrives(256)
    await expect(net1.docker.create('asked', { options: { vni: '256' } })).rejects.toThrow(
      /VNI 256 belongs to another program's VXLAN device on host net-2, UDP port 4789/,
    )
  })

  test('that comes later with the VNI of a network receives nothing, and status names both', async () => {
    const vni = await created('second')
    joinToStranger(vni)
    await until(
      'status names it',
      () => net2.driver.status().problems.some((it) => it.startsWith(`network second: its VNI ${vni} is`)),
      15_000,
    )
    const before = dropped()
    send(vni)
    await until('the filter drops its packets', () => dropped() > before)
    expect(received(vni)).toBe(0)
    await arrives(256)
  })
})
