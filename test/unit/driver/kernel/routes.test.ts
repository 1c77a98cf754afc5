import { expect, test } from 'vitest'
import { routeReader } from '../../../../driver/kernel/routes.ts'

const entry = (i: number) => ({
  ...(i % 3 === 0 ? { type: 'blackhole' } : {}),
  dst: `${20 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.0/24`,
  protocol: 'bgp',
  nexthops: [
    { gateway: '192.168.33.1', dev: 'eth1', weight: 1, flags: [] },
    { gateway: '192.168.33.2', dev: 'eth1', weight: 1, flags: [] },
  ],
  flags: [],
})
const printed = (count: number): string => JSON.stringify(Array.from({ length: count }, (_, i) => entry(i)))
const reading = (text: { [family: string]: string }) => routeReader(async (family) => text[family] ?? '')

test.each([0, 1, 3, 20_000])('of %i routes each is read once, in the order of the kernel', async (count) => {
  const routes = await reading({ '-4': `${printed(count)}\n`, '-6': '[{"dst":"fd00::/8"}]\n' })()
  expect(routes.map(({ to }) => to)).toEqual([
    ...Array.from({ length: count }, (_, i) => entry(i).dst),
    'fd00::/8',
  ])
})

test('timers have their turn while many routes are read', async () => {
  let turns = 0
  const other = setInterval(() => {
    turns += 1
  }, 0)
  await reading({ '-4': printed(20_000) })()
  clearInterval(other)
  expect(turns).toBeGreaterThan(5)
})

test('the list is the same one until the routes change', async () => {
  const text: { [family: string]: string } = { '-4': printed(2) }
  const read = reading(text)
  const first = await read()
  expect(await read()).toBe(first)
  text['-6'] = '[{"dst":"fd00::/8"}]'
  const second = await read()
  expect(second).toHaveLength(3)
  expect(await read()).toBe(second)
})

test('an output that cannot be parsed is an error, also the next time', async () => {
  const read = reading({ '-4': '[{"dst":' })
  await expect(read()).rejects.toMatchObject({ code: 'kernel' })
  await expect(read()).rejects.toMatchObject({ code: 'kernel' })
})
