/**
 * What every Kernel must do, whether it is the machine's or one in memory.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Datapath, Op } from '../../../driver/core/datapath.ts'
import { plan } from '../../../driver/core/plan.ts'
import type { Kernel } from '../../../driver/kernel/kernel.ts'
import { datapath, peer, veth } from '../core/datapath.sample.ts'

export interface Bench extends AsyncDisposable {
  kernel: Kernel
  /** Path of a namespace in this bench's own folder: 12 hex digits, made of the one given. */
  namespace(digit: string): string
  /** A namespace in the same folder that is not ours, as a container's would be. */
  foreign(digit: string): Promise<void>
}

export function kernelContract(open: () => Promise<Bench>): void {
  describe('contract', () => {
    let bench: Bench
    let kernel: Kernel
    beforeEach(async () => {
      bench = await open()
      kernel = bench.kernel
    })
    afterEach(() => bench[Symbol.asyncDispose]())

    const sample = (change: Partial<Datapath> = {}): Datapath =>
      datapath({ namespace: bench.namespace('a'), veths: [veth('1')], peers: [peer(2), peer(3)], ...change })
    const ops = async (want: Datapath): Promise<Op[]> => plan(await kernel.observe(want.namespace), want).ops
    const reach = async (want: Datapath): Promise<void> => kernel.apply(await ops(want))

    test('a namespace that is not there is observed as undefined', async () => {
      expect(await kernel.observe(bench.namespace('a'))).toBeUndefined()
    })

    test('what was planned and applied is observed as wanted', async () => {
      await reach(sample())
      expect(await ops(sample())).toEqual([])
      expect(await kernel.observe(bench.namespace('a'))).toMatchObject({
        bridge: true,
        vxlan: { vni: 256, port: 4789, local: '192.168.33.11', mtuBytes: 1450, master: true, up: true },
        ports: [{ name: 'veth11111111', up: true }],
      })
    })

    test('applying everything a second time changes nothing', async () => {
      const first = await ops(sample())
      await kernel.apply(first)
      const before = await kernel.observe(bench.namespace('a'))
      await kernel.apply(first)
      expect(await kernel.observe(bench.namespace('a'))).toEqual(before)
    })

    test('every removal can be applied twice, and on what never was', async () => {
      await reach(sample())
      const namespace = bench.namespace('a')
      const gone = sample({ veths: [], peers: [] })
      const removals = await ops(gone)
      await kernel.apply([...removals, ...removals])
      expect(await ops(gone)).toEqual([])
      await kernel.apply([{ op: 'vxlan-del', namespace }])
      await kernel.apply([...removals, { op: 'vxlan-del', namespace }])
      await kernel.apply([{ op: 'namespace-del', namespace }])
      await kernel.apply([...removals, { op: 'vxlan-del', namespace }, { op: 'namespace-del', namespace }])
      expect(await kernel.observe(namespace)).toBeUndefined()
    })

    test('a peer that moves leads to its new host only', async () => {
      await reach(sample({ peers: [peer(2, '192.168.33.12')] }))
      const moved = sample({ peers: [peer(2, '192.168.33.13')] })
      await reach(moved)
      expect(await ops(moved)).toEqual([])
    })

    test('a device that differs is replaced, with its entries', async () => {
      await reach(sample())
      const other = sample({ vxlan: { ...sample().vxlan, mtuBytes: 1400, port: 8472 } })
      await reach(other)
      expect(await ops(other)).toEqual([])
    })

    test('a device whose tunnel end and MTU differ is changed, and keeps its entries', async () => {
      await reach(sample())
      const other = sample({ vxlan: { ...sample().vxlan, local: '192.168.33.12', mtuBytes: 1400 } })
      expect((await ops(other)).map(({ op }) => op)).toEqual(['vxlan-set'])
      await reach(other)
      expect(await ops(other)).toEqual([])
    })

    test('a macvlan network has no bridge; its children can be made and removed twice', async () => {
      const child = { ...veth('1'), port: veth('1').container }
      const want = sample({ kind: 'macvlan', veths: [child] })
      const all = await ops(want)
      await kernel.apply(all)
      await kernel.apply(all)
      const have = await kernel.observe(want.namespace)
      expect(have).toMatchObject({ marked: true, bridge: false, vxlan: { master: false, up: true } })
      const removal: Op = { op: 'child-del', namespace: want.namespace, port: child.port }
      await kernel.apply([removal, removal])
      expect(await ops({ ...want, veths: [] })).toEqual([])
    })

    test('IPv6 addresses and tunnel ends are entries like others', async () => {
      const dual = { ...peer(2, 'fd00:33::12'), addresses: ['172.21.0.2', 'fd00:21::2'] }
      const six = sample({ vxlan: { ...sample().vxlan, local: 'fd00:33::11' }, peers: [dual] })
      await reach(six)
      expect(await ops(six)).toEqual([])
      await reach({ ...six, peers: [] })
      expect((await kernel.observe(six.namespace))?.neighbours).toEqual([])
    })

    test('a thousand peers are applied and observed', async () => {
      const many = sample({ peers: Array.from({ length: 1000 }, (_, i) => peer(i + 2)) })
      await reach(many)
      expect(await ops(many)).toEqual([])
    })

    test('only namespaces with the mark are listed, until they are removed', async () => {
      await bench.foreign('f')
      await reach(sample())
      expect(await kernel.namespaces()).toEqual([bench.namespace('a')])
      await kernel.apply([{ op: 'namespace-del', namespace: bench.namespace('a') }])
      expect(await kernel.namespaces()).toEqual([])
    })

    test('the end for the container is loose until somebody takes it, and goes with the pair', async () => {
      await reach(sample())
      expect(await kernel.looseEnds()).toEqual(['vxc11111111'])
      await reach(sample({ veths: [] }))
      expect(await kernel.looseEnds()).toEqual([])
    })

    test('a VNI that another device of the host holds is refused by name', async () => {
      await reach(sample())
      const second = sample({ namespace: bench.namespace('b'), veths: [] })
      await expect(reach(second)).rejects.toMatchObject({
        code: 'kernel',
        message: expect.stringMatching(/link add vxlan1 type vxlan id 256 .*already exists/),
      })
      await kernel.apply([{ op: 'namespace-del', namespace: bench.namespace('a') }])
      await reach(second)
      expect(await ops(second)).toEqual([])
    })

    test('an operation in a namespace that is not there fails with the operation and the namespace', async () => {
      const namespace = bench.namespace('a')
      await expect(
        kernel.apply([{ op: 'neighbour-replace', namespace, ip: '172.21.0.2', mac: peer(2).mac }]),
      ).rejects.toMatchObject({
        code: 'kernel',
        message: expect.stringMatching(/^neigh replace 172\.21\.0\.2 .*aaaaaaaaaaaa is not there$/),
      })
    })

    test('an entry on a device that is not there fails with the kernel’s words', async () => {
      const namespace = bench.namespace('a')
      await kernel.apply([{ op: 'namespace-add', namespace }])
      await expect(
        kernel.apply([{ op: 'neighbour-replace', namespace, ip: '172.21.0.2', mac: peer(2).mac }]),
      ).rejects.toMatchObject({
        code: 'kernel',
        message: expect.stringContaining('Cannot find device "vxlan1"'),
      })
    })

    test('an underlay that is not there is refused with the candidates', async () => {
      await expect(kernel.underlay('eth7')).rejects.toMatchObject({
        code: 'invalid',
        message: expect.stringContaining('eth7'),
        hint: expect.stringContaining('eth1 192.168.33.11'),
      })
      expect(await kernel.underlay('eth1')).toEqual({
        device: 'eth1',
        address: '192.168.33.11',
        mtuBytes: 1500,
      })
      expect((await kernel.underlay('192.168.33.11')).device).toBe('eth1')
    })

    test('routes are those of the main table, without the default', async () => {
      expect(await kernel.routes()).toEqual(expect.arrayContaining(['192.168.33.0/24', '10.9.0.0/16']))
      expect(await kernel.routes()).not.toContain('default')
    })
  })
}
