import { expect, test, vi } from 'vitest'
import { underlayFinder, watchUnderlay } from '../../../../driver/daemon/underlay.ts'
import { silentLog } from '../../../../driver/log.ts'
import { until } from '../../../fixtures/until.ts'

const eth1 = (address: string) => ({ device: 'eth1', address, mtuBytes: 1500 })

test('the address in use is asked for first, also where a route leads to the store', async () => {
  const asked: [string, string | undefined][] = []
  const kernel = {
    async underlay(bind: string, inUse?: string) {
      asked.push([bind, inUse])
      return eth1(inUse === '192.168.33.11' ? inUse : '192.168.33.100')
    },
  }
  const kvStore = 'consul://192.168.33.10:8500'
  const named = underlayFinder(kernel, { bindInterface: 'eth1', kvStore })
  expect(await named('192.168.33.11')).toEqual(eth1('192.168.33.11'))
  expect(await named()).toEqual(eth1('192.168.33.100'))
  expect(asked).toEqual([
    ['eth1', '192.168.33.11'],
    ['eth1', undefined],
  ])
  // The loopback interface leads to a store on this machine: its source address is the target's.
  await expect(underlayFinder(kernel, { kvStore: 'consul://127.0.0.1:8500' })()).rejects.toThrow(
    'is on this host',
  )
})

test('an underlay that is lost keeps its address, and is a problem after a while', async () => {
  const findUnderlay = vi.fn(async (inUse?: string) => eth1(inUse ?? ''))
  const watch = watchUnderlay(
    { underlay: eth1('192.168.33.11') },
    { findUnderlay, log: silentLog, everyMs: 5 },
  )
  await until('it is looked for', () => findUnderlay.mock.calls.length > 1)
  expect(findUnderlay).toHaveBeenCalledWith('192.168.33.11')
  expect(watch.problem()).toBeUndefined()
  findUnderlay.mockRejectedValue(new Error('no interface is named eth1'))
  await until('it is a problem', () => watch.problem() !== undefined)
  expect(watch.problem()).toMatch(
    /^the interface of the VTEP is not found: .*no interface is named eth1; the driver goes on with 192.168.33.11/,
  )
  expect(watch.now().address).toBe('192.168.33.11')
  findUnderlay.mockResolvedValue(eth1('192.168.33.11'))
  await until('it is over', () => watch.problem() === undefined)
  watch.close()
})
