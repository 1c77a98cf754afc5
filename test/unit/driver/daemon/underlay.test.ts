import { networkInterfaces } from 'node:os'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { KnownVtep } from '../../../../driver/core/datapath/vtep-choice.ts'
import { DriverError } from '../../../../driver/core/errors.ts'
import {
  type FindUnderlay,
  type Looks,
  underlayFinder,
  watchUnderlay,
} from '../../../../driver/daemon/underlay.ts'
import { silentLog } from '../../../../driver/log.ts'
import { hostAddresses } from '../../../fixtures/host-addresses.ts'
import { until } from '../../../fixtures/until.ts'

const eth1 = (address: string) => ({ device: 'eth1', address, mtuBytes: 1500 })

const kvStore = 'consul://192.168.33.10:8500'
const known = { device: 'eth1', address: '192.168.33.11' }

/** A finder on a machine whose addresses, route to the store and clock the test sets. */
function machine({ bindInterface, lines = [] }: { bindInterface?: string; lines?: string[] }) {
  const state = { lines, route: '', nowMs: 0, links: ['eth0', 'eth1'], ports: [''] }
  const finder = underlayFinder(
    { addresses: async () => hostAddresses(...state.lines) },
    { bindInterface, kvStore },
    {
      now: () => state.nowMs,
      isInUse: (device) => state.links.includes(device) && !state.ports.includes(device),
      async towards([server]) {
        if (server === undefined || state.route === '')
          throw new DriverError('unavailable', 'no route leads there')
        return { address: state.route, server }
      },
    },
  )
  const looks: Looks = {}
  return Object.assign(state, { finder, find: (before?: KnownVtep) => finder(before, looks) })
}

test('a store on this machine shows no interface', async () => {
  // The loopback interface leads to it: its source address is the target's.
  const kernel = { addresses: async () => [] }
  const find = underlayFinder(kernel, { kvStore: 'consul://127.0.0.1:8500' })
  await expect(find()).rejects.toThrow('is on this host')
  await expect(underlayFinder(kernel, {})()).rejects.toThrow('without a store')
})

/** A finder whose store's name has these addresses. */
function finderFor(addresses: { address: string; family: number }[], ...lines: string[]): FindUnderlay {
  const kernel = { addresses: async () => hostAddresses(...lines) }
  return underlayFinder(kernel, { kvStore: 'consul://consul.example' }, { lookup: async () => addresses })
}

test('a store’s name may have an IPv6 address alone', async () => {
  await expect(finderFor([{ address: '::1', family: 6 }])()).rejects.toThrow(
    'the store at consul.example is on this host',
  )
  const unknown = underlayFinder(
    { addresses: async () => [] },
    { kvStore: 'consul://consul.example' },
    { lookup: () => Promise.reject(new Error('getaddrinfo ENOTFOUND consul.example')) },
  )
  await expect(unknown()).rejects.toMatchObject({
    code: 'unavailable',
    message: 'no route leads to the store at consul.example: getaddrinfo ENOTFOUND consul.example',
    hint: expect.stringContaining('--bind-interface'),
  })
})

const own = Object.values(networkInterfaces())
  .flat()
  .find((it) => it?.internal === false && it.family === 'IPv4')?.address

test.skipIf(own === undefined)('each address of a store’s name is tried, IPv4 first', async () => {
  const reached = { address: own ?? '', family: 4 }
  // Without SO_BROADCAST the kernel refuses a socket to it.
  const refused = { address: '255.255.255.255', family: 4 }
  const found = { device: 'eth1', address: own }
  for (const addresses of [
    [refused, reached],
    [{ address: '::1', family: 6 }, reached],
    [reached, refused],
  ])
    expect(await finderFor(addresses, `eth1 ${own}/24`)()).toMatchObject(found)
  await expect(finderFor([refused, { address: '::1', family: 6 }])()).rejects.toThrow(
    /^no route leads to the store at consul\.example: connect EACCES/,
  )
})

test('a VTEP that is missing for a while is unknown, and is itself again when it is back', async () => {
  const on = machine({ bindInterface: 'eth1', lines: ['eth1 fd00:33::11/64'] })
  const lost = /^this host's VTEP 192\.168\.33\.11 is on no interface/
  await expect(on.find(known)).rejects.toThrow(lost)
  on.nowMs = 10 ** 9
  await expect(on.find(known), 'IPv6 never takes its place').rejects.toMatchObject({
    code: 'unavailable',
    hint: expect.stringContaining('--bind-interface=ADDRESS'),
  })
  on.lines = ['eth1 192.168.33.99/24', 'eth1 192.168.33.11/24']
  expect(await on.find(known)).toEqual(eth1('192.168.33.11'))
})

test('a host that got another address for good has it as its VTEP after 10 s', async () => {
  const on = machine({ bindInterface: 'eth1', lines: ['eth1 192.168.33.99/24'] })
  await expect(on.find(known)).rejects.toMatchObject({
    hint: '192.168.33.99 on eth1 takes its place after 10 s',
  })
  on.nowMs = 9_000
  await expect(on.find(known)).rejects.toThrow()
  expect(await on.find(), 'at first nothing is waited for').toEqual(eth1('192.168.33.99'))
  on.nowMs = 10_000
  const found = await on.find(known)
  expect(found).toEqual({ ...eth1('192.168.33.99'), home: '192.168.33.11' })
  on.nowMs = 11_000
  expect(await on.find(known), 'by a start that was refused').toEqual(found)
  on.lines.push('eth1 192.168.33.11/24')
  expect(await on.find(found), 'home again').toEqual(eth1('192.168.33.11'))
})

test('the 10 s begin anew when the VTEP was back, or its interface was away', async () => {
  const alias = 'eth1 192.168.33.99/24'
  for (const meanwhile of [[alias, 'eth1 192.168.33.11/24'], []]) {
    const on = machine({ bindInterface: 'eth1', lines: [alias] })
    await expect(on.find(known)).rejects.toThrow()
    on.nowMs = 20_000
    on.lines = meanwhile
    await on.find(known).catch(() => 'no interface')
    on.nowMs = 40_000
    on.lines = [alias]
    await expect(on.find(known)).rejects.toThrow('is on no interface')
    on.nowMs = 70_000
    expect(await on.find(known)).toMatchObject(eth1('192.168.33.99'))
  }
})

test('they go on when the kernel or the name of the store does not answer for a moment', async () => {
  const on = machine({ lines: ['eth1 192.168.33.99/24'] })
  on.route = '192.168.33.99'
  const recorded = { address: known.address }
  await expect(on.find(recorded)).rejects.toThrow('is on no interface')
  on.nowMs = 59_000
  on.route = ''
  await expect(on.find(recorded)).rejects.toThrow('no route')
  on.nowMs = 60_000
  on.route = '192.168.33.99'
  expect(await on.find(recorded)).toMatchObject(eth1('192.168.33.99'))
})

test('each caller waits for itself', async () => {
  const on = machine({ bindInterface: 'eth1', lines: ['eth1 192.168.33.99/24'] })
  await expect(on.find(known)).rejects.toThrow()
  on.nowMs = 10_000
  await expect(on.finder(known, {})).rejects.toThrow()
  expect(await on.find(known)).toMatchObject(eth1('192.168.33.99'))
})

test('without --bind-interface another route to the store moves no VTEP that is there, and is told', async () => {
  const on = machine({ lines: ['eth1 192.168.33.11/24', 'eth1 192.168.33.12/24', 'vpn0 10.9.0.2/24'] })
  on.route = '192.168.33.11'
  expect(await on.find()).toEqual(eth1('192.168.33.11'))
  on.route = '10.9.0.2'
  const towardsStore = { device: 'vpn0', address: '10.9.0.2' }
  for (const before of [known, { address: known.address }])
    expect(await on.find(before)).toEqual({ ...eth1('192.168.33.11'), towardsStore })
  for (on.route of ['192.168.33.12', ''])
    expect(await on.find(known), 'one interface, no route').toEqual(eth1('192.168.33.11'))
})

describe('without --bind-interface, at first,', () => {
  const temporary = 'eth1 fd00:33::7a1e/64 passing'

  test('a temporary address of IPv6 that leads to the store gives way to one that stays', async () => {
    const on = machine({ lines: [temporary, 'eth1 fd00:44::11/64', 'eth1 fd00:33::11/64'] })
    on.route = 'fd00:33::7a1e'
    expect(await on.find(), 'of its own block').toEqual(eth1('fd00:33::11'))
    on.lines = [temporary, 'eth1 192.168.33.11/24', 'eth2 fd00:33::12/64']
    expect(await on.find(), 'the only one').toEqual(eth1('fd00:33::7a1e'))
  })

  test('a virtual address of the store’s own, which this host has for now, is not taken', async () => {
    const on = machine({ lines: ['eth1 192.168.33.11/24', 'eth1 192.168.33.100/32'] })
    on.route = '192.168.33.100'
    expect(await on.find()).toEqual(eth1('192.168.33.11'))
  })

  test('a store behind a bridge of Docker’s shows no interface that leads to other hosts', async () => {
    const on = machine({ lines: ['docker0 172.17.0.1/16', 'eth1 192.168.33.11/24'] })
    on.route = '172.17.0.1'
    await expect(on.find()).rejects.toMatchObject({
      code: 'unavailable',
      message: 'docker0 leads to the store, and to no other host',
      hint: expect.stringContaining('--bind-interface'),
    })
  })
})

describe('without --bind-interface, when the VTEP is missing,', () => {
  const nat = 'eth0 10.0.2.15/24'

  test('another interface gives no address to a driver that runs while the VTEP’s own is there', async () => {
    const on = machine({ lines: [nat] })
    on.route = '10.0.2.15'
    for (on.nowMs of [0, 10_000, 10 ** 9])
      await expect(on.find(known)).rejects.toMatchObject({
        hint: expect.stringContaining(
          'after a restart of the driver, 10.0.2.15 on eth0 takes its place after 60 s',
        ),
      })
    on.lines = [nat, 'eth1 192.168.33.11/24']
    expect(await on.find(known)).toMatchObject(eth1('192.168.33.11'))
  })

  test('its interface gives another one without a route', async () => {
    const on = machine({ lines: [nat, 'eth1 192.168.33.99/24'] })
    await expect(on.find(known)).rejects.toThrow('is on no interface')
    on.nowMs = 10_000
    expect(await on.find(known)).toMatchObject(eth1('192.168.33.99'))
  })

  test('the route is followed 30 s after its interface has gone, and back to it', async () => {
    const on = machine({ lines: ['eth0 10.0.2.15/32'] })
    on.links = ['eth0']
    on.route = '10.0.2.15'
    await expect(on.find(known), 'no virtual address').rejects.toThrow('is on no interface')
    on.nowMs = 60_000
    on.lines = [nat]
    await expect(on.find(known)).rejects.toThrow('is on no interface')
    on.nowMs = 89_000
    await expect(on.find(known)).rejects.toThrow('is on no interface')
    on.nowMs = 90_000
    const found = await on.find(known)
    expect(found).toMatchObject({ device: 'eth0', address: '10.0.2.15' })
    on.lines = [nat, 'eth1 192.168.33.11/24']
    expect(await on.find(found), 'the route does not lead there').toMatchObject({ address: '10.0.2.15' })
    on.route = '192.168.33.11'
    expect(await on.find(found)).toEqual(eth1('192.168.33.11'))
  })

  test('the route is followed 30 s after its interface became a port of a bridge', async () => {
    const on = machine({ lines: ['br0 192.168.33.57/24'] })
    on.ports = ['eth1']
    on.route = '192.168.33.57'
    await expect(on.find(known)).rejects.toMatchObject({
      hint: '192.168.33.57 on br0 takes its place after 30 s',
    })
    on.nowMs = 30_000
    expect(await on.find(known)).toMatchObject({ device: 'br0', home: '192.168.33.11' })
  })

  test('a driver that starts follows the route after 60 s', async () => {
    const on = machine({ lines: [nat] })
    on.route = '10.0.2.15'
    const recorded = { address: known.address }
    for (on.nowMs of [0, 59_000]) await expect(on.find(recorded)).rejects.toThrow('is on no interface')
    on.nowMs = 60_000
    expect(await on.find(recorded)).toMatchObject({ device: 'eth0', home: '192.168.33.11' })
  })
})

test('a tunnel interface’s only address that changes is followed', async () => {
  const on = machine({ bindInterface: 'wg0', lines: ['wg0 10.8.0.2/32'] })
  const before = await on.find()
  on.lines = ['wg0 10.8.0.3/32']
  await expect(on.find(before)).rejects.toThrow('is on no interface')
  on.nowMs = 10_000
  expect(await on.find(before)).toMatchObject({ device: 'wg0', address: '10.8.0.3' })
})

test('an interface that became a port of a bridge: status says when the bridge is taken', async () => {
  const on = machine({ bindInterface: '192.168.0.0/16', lines: ['br-lan 192.168.33.57/24'] })
  const findUnderlay = vi.fn(on.finder)
  const watch = watchUnderlay(
    { underlay: eth1('192.168.33.11') },
    { findUnderlay, log: silentLog, everyMs: 5 },
  )
  await until('it is a problem', () => watch.problem() !== undefined)
  expect(watch.problem()).toMatch(
    /192\.168\.33\.57 on br-lan takes its place after 30 s; the driver goes on with 192\.168\.33\.11$/,
  )
  on.nowMs = 30_000
  await until('the bridge is taken', () => watch.now().device === 'br-lan')
  watch.close()
})

test('a watch that is closed during a look does not look again', async () => {
  let fail = (_: Error): void => undefined
  const findUnderlay = vi.fn<FindUnderlay>(
    () =>
      new Promise((_, reject) => {
        fail = reject
      }),
  )
  const watch = watchUnderlay(
    { underlay: eth1('192.168.33.11') },
    { findUnderlay, log: silentLog, everyMs: 5 },
  )
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  watch.look()
  watch.close()
  fail(new Error('no interface is named eth1'))
  await vi.advanceTimersByTimeAsync(10_000)
  expect(findUnderlay).toHaveBeenCalledTimes(1)
})

test('an underlay that is lost keeps its address, and is a problem after a while', async () => {
  const findUnderlay = vi.fn<FindUnderlay>(async (before) => eth1(before?.address ?? ''))
  const watch = watchUnderlay(
    { underlay: eth1('192.168.33.11') },
    { findUnderlay, log: silentLog, everyMs: 5 },
  )
  await until('it is looked for', () => findUnderlay.mock.calls.length > 1)
  expect(findUnderlay).toHaveBeenCalledWith(eth1('192.168.33.11'), expect.anything())
  expect(watch.problem()).toBeUndefined()
  findUnderlay.mockRejectedValue(new Error('no interface is named eth1'))
  await until('it is a problem', () => watch.problem() !== undefined)
  expect(watch.problem()).toMatch(
    /^the interface of the VTEP is not found: .*no interface is named eth1; the driver goes on with 192.168.33.11/,
  )
  expect(watch.now().address).toBe('192.168.33.11')
  findUnderlay.mockResolvedValue(eth1('192.168.33.11'))
  await until('it is over', () => watch.problem() === undefined)
  findUnderlay.mockResolvedValue({
    ...eth1('192.168.33.11'),
    towardsStore: { device: 'vpn0', address: '10.9.0.2' },
  })
  await until('the other way is told', () => watch.problem() !== undefined)
  expect(watch.problem()).toMatch(
    /^10\.9\.0\.2 on vpn0 leads to the store; the VTEP stays 192\.168\.33\.11 on eth1 /,
  )
  watch.close()
})

test('a tunnel that is down gives its VTEP to no interface outside of it', async () => {
  const on = machine({ lines: ['wg0 10.8.0.1/24 tunnel', 'eth1 192.168.33.11/24'] })
  on.route = '10.8.0.1'
  const found = await on.find()
  expect(found).toMatchObject({ address: '10.8.0.1', isInTunnel: true })
  on.lines = ['eth1 192.168.33.11/24']
  on.route = '192.168.33.11'
  const lost = /^this host's VTEP 10\.8\.0\.1 is on no interface/
  await expect(on.find(found)).rejects.toThrow(lost)
  on.nowMs = 10 ** 9
  await expect(on.find(found)).rejects.toThrow(lost)
  on.lines = ['wg1 10.8.0.5/24 tunnel', 'eth1 192.168.33.11/24']
  on.route = '10.8.0.5'
  await expect(on.find(found)).rejects.toThrow(lost)
  on.nowMs += 30_000
  expect(await on.find(found)).toMatchObject({ address: '10.8.0.5', device: 'wg1' })
})
