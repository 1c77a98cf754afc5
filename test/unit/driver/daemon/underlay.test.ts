import { expect, test, vi } from 'vitest'
import { DriverError } from '../../../../driver/core/errors.ts'
import { type FindUnderlay, underlayFinder, watchUnderlay } from '../../../../driver/daemon/underlay.ts'
import { silentLog } from '../../../../driver/log.ts'
import { hostAddresses } from '../../../fixtures/host-addresses.ts'
import { until } from '../../../fixtures/until.ts'

const eth1 = (address: string) => ({ device: 'eth1', address, mtuBytes: 1500 })

const kvStore = 'consul://192.168.33.10:8500'
const known = { device: 'eth1', address: '192.168.33.11' }

/** A finder on a machine whose addresses, route to the store and clock the test sets. */
function machine({ bindInterface, lines = [] }: { bindInterface?: string; lines?: string[] }) {
  const state = { lines, route: '', nowMs: 0 }
  const find = underlayFinder(
    { addresses: async () => hostAddresses(...state.lines) },
    { bindInterface, kvStore },
    {
      now: () => state.nowMs,
      async towards([server]) {
        if (server === undefined || state.route === '')
          throw new DriverError('unavailable', 'no route leads there')
        return { address: state.route, server }
      },
    },
  )
  return Object.assign(state, { find })
}

test('a store on this machine shows no interface', async () => {
  // The loopback interface leads to it: its source address is the target's.
  const kernel = { addresses: async () => [] }
  const find = underlayFinder(kernel, { kvStore: 'consul://127.0.0.1:8500' })
  await expect(find()).rejects.toThrow('is on this host')
  await expect(underlayFinder(kernel, {})()).rejects.toThrow('without a store')
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
  expect(await on.find(known)).toEqual(eth1('192.168.33.99'))
})

test('the 30 s begin anew when the VTEP was back, or its interface was away', async () => {
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
    expect(await on.find(known)).toEqual(eth1('192.168.33.99'))
  }
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

test('without --bind-interface the route is followed when the VTEP has been missing for 30 s', async () => {
  const on = machine({ lines: ['vpn0 10.9.0.2/24', 'eth1 192.168.33.100/32'] })
  on.route = '192.168.33.100'
  await expect(on.find(known), 'no virtual address').rejects.toThrow('is on no interface')
  on.nowMs = 60_000
  on.route = '10.9.0.2'
  await expect(on.find(known)).rejects.toThrow('is on no interface')
  on.nowMs = 90_000
  expect(await on.find(known)).toEqual({ device: 'vpn0', address: '10.9.0.2', mtuBytes: 1500 })
})

test('an underlay that is lost keeps its address, and is a problem after a while', async () => {
  const findUnderlay = vi.fn<FindUnderlay>(async (before) => eth1(before?.address ?? ''))
  const watch = watchUnderlay(
    { underlay: eth1('192.168.33.11') },
    { findUnderlay, log: silentLog, everyMs: 5 },
  )
  await until('it is looked for', () => findUnderlay.mock.calls.length > 1)
  expect(findUnderlay).toHaveBeenCalledWith(eth1('192.168.33.11'))
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
