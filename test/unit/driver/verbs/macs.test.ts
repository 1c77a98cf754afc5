import { describe, expect, test } from 'vitest'
import { sharedMacs } from '../../../../driver/core/endpoints/macs.ts'
import { cluster, createNetwork, type Host, id, never, show } from './cluster.ts'

const network = id('a')
const replica = { options: { 'multihost.id': network }, ipamOptions: { 'multihost.id': network } }
const cidr = '10.63.0.0/24'
/** The MAC of 10.63.0.5. */
const derived = '02:42:0a:3f:00:05'

async function twoHosts() {
  const memory = cluster()
  const net1 = memory.host(1)
  const net2 = memory.host(2)
  await createNetwork(net1, { id: network, subnet: cidr })
  await createNetwork(net2, { id: id('b'), subnet: cidr, ...replica })
  return { memory, net1, net2 }
}

/** The calls up to CreateEndpoint, and the journal's commit; `mac` as of `docker run --mac-address`. */
async function endpoint(
  { verbs, store }: Host,
  name: string,
  address: string,
  mac?: string,
): Promise<string> {
  await store.read()
  const v4 = await verbs.requestAddress({ pool: cidr, gateway: false, address }, never)
  const local =
    (await verbs.createEndpoint({ network, endpoint: id(name), v4, ...(mac && { mac }) }, never)) ?? ''
  await store.journal.committed(`${network}/${id(name)}`)
  return local
}

const macs = ({ store }: Host): string[] =>
  [...store.snapshot().endpoints.values()].map(({ value }) => `${value.v4} ${value.mac}`).sort()

describe('a MAC of a network', () => {
  test.each(['01:00:5e:00:00:01', '00:00:00:00:00:00', 'FF:FF:FF:FF:FF:FF', '33:33:00:00:00:01'])(
    'that no interface can have (%s) is refused, and nothing is written',
    async (mac) => {
      const { net1 } = await twoHosts()
      await expect(endpoint(net1, '1', '10.63.0.9', mac)).rejects.toMatchObject({
        code: 'invalid',
        line: `'${mac}' is not the address of one interface; the first byte must be even, and not all zero`,
      })
      expect(macs(net1)).toEqual([])
      expect(await endpoint(net1, '1', '10.63.0.10', '00:00:00:00:00:01')).toBe('00:00:00:00:00:01')
    },
  )

  test('that was given to another container is chosen otherwise for its own address', async () => {
    const { net1, net2 } = await twoHosts()
    expect(await endpoint(net1, '1', '10.63.0.9', derived)).toBe(derived)
    expect(await endpoint(net2, '2', '10.63.0.5')).toBe('06:42:0a:3f:00:05')
    const again = { network, endpoint: id('2'), v4: '10.63.0.5/24' }
    expect(await net2.verbs.createEndpoint(again, never)).toBe('06:42:0a:3f:00:05')
  })

  test('is refused with its holder when Docker gives it', async () => {
    const { net1, net2 } = await twoHosts()
    await endpoint(net1, '1', '10.63.0.5')
    const asked = endpoint(net2, '2', '10.63.0.9', derived.toUpperCase())
    await expect(asked).rejects.toMatchObject({
      code: 'taken',
      message: `the MAC ${derived} belongs to endpoint 111111111111 on net-1 in network aaaaaaaaaaaa`,
      hint: 'choose another --mac-address, or omit it to get a free one',
    })
    await endpoint(net1, '3', '10.63.0.20', '0a:00:00:00:00:01')
    await expect(endpoint(net2, '4', '10.63.0.21', '0a:00:00:00:00:01')).rejects.toMatchObject({
      code: 'taken',
    })
  })

  test.each([
    ['one is given and one follows from an address', derived, undefined],
    ['both are given', '0a:00:00:00:00:01', '0a:00:00:00:00:01'],
    ['one is given as the second choice of the other address', '06:42:0a:3f:00:05', undefined],
  ])('has one holder when two hosts take it at once: %s', async (_, one, other) => {
    const { net1, net2 } = await twoHosts()
    const both = await Promise.allSettled([
      endpoint(net1, '1', '10.63.0.9', one),
      endpoint(net2, '2', '10.63.0.5', other),
    ])
    expect(both.some(({ status }) => status === 'fulfilled')).toBe(true)
    await net1.store.read()
    expect(new Set(macs(net1).map((it) => it.split(' ')[1])).size).toBe(macs(net1).length)
  })

  test('is free again when its endpoint is gone, also where an older driver left the claim', async () => {
    const { net1, net2 } = await twoHosts()
    await endpoint(net1, '1', '10.63.0.9', derived)
    await net1.verbs.deleteEndpoint({ network, endpoint: id('1') }, never)
    expect(show(net1)).not.toContain('macs/')
    await net1.store.commit([{ op: 'create', table: 'macs', key: `${network}/${derived}`, value: id('7') }])
    expect(await endpoint(net2, '2', '10.63.0.5')).toBe(derived)
    expect(show(net2)).not.toContain('macs/')
  })

  test('is not taken from an endpoint whose record cannot be read', async () => {
    const { memory, net1 } = await twoHosts()
    await endpoint(net1, '1', '10.63.0.9', derived)
    memory.put('endpoints', `${network}/${id('1')}`, '{"of": "a later version"}')
    const net3 = memory.host(3)
    await createNetwork(net3, { id: id('c'), subnet: cidr, ...replica })
    expect(await endpoint(net3, '2', '10.63.0.5')).toBe('06:42:0a:3f:00:05')
    await expect(endpoint(net3, '3', '10.63.0.7', derived)).rejects.toMatchObject({ code: 'taken' })
  })
})

test('endpoints of older drivers with one MAC are found', async () => {
  const { net1 } = await twoHosts()
  for (const [name, address] of [
    ['1', '10.63.0.9'],
    ['2', '10.63.0.5'],
  ] as const)
    await endpoint(net1, name, address)
  const all = [...net1.store.snapshot().endpoints].map(([key, { value, index }]) => {
    return {
      op: 'update' as const,
      table: 'endpoints' as const,
      key,
      value: { ...value, mac: derived },
      index,
    }
  })
  await net1.store.commit(all)
  const shared = [...sharedMacs(net1.store.snapshot(), network)]
  expect(shared.map(([mac, holders]) => [mac, holders.length])).toEqual([[derived, 2]])
})
