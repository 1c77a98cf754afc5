/**
 * Docker's calls in any order, with any values, twice and at once, against the real verbs: a right answer
 * each time.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { App } from '../../../../driver/http-app.ts'
import { type Call, pluginApp } from '../../../../driver/protocol/app.ts'
import { routes } from '../../../../driver/protocol/routes.ts'
import { askApp } from '../../../fixtures/ask-app.ts'
import { cluster, type Host, id } from './cluster.ts'

const maybe = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined })
const anId = fc.oneof(fc.constantFrom(id('a'), id('b'), id('c')), fc.string())
const pool = fc.oneof(
  fc.constantFrom(
    '172.21.0.0/16',
    '10.9.0.0/28',
    '10.9.0.0/16',
    'fd00:9::/64',
    '0.0.0.0/0',
    '10.9.0.0/32',
    '::/0',
    '',
  ),
  fc.string(),
)
const ip = fc.oneof(
  fc.constantFrom('172.21.0.2', '172.21.0.2/16', '10.9.0.15', '10.9.0.0', 'fd00:9::2/64', '::', ''),
  fc.string(),
)
const options = fc.dictionary(
  fc.constantFrom('multihost.id', 'vni', 'mtu', 'port', 'x', 'com.docker.network.bridge.name', '__proto__'),
  fc.oneof(anId, fc.constantFrom('256', '1400', '4789', '-1', '99999999999')),
)
const data = fc.array(
  fc.record({
    AddressSpace: fc.constantFrom('multihost', 'LocalDefault'),
    Pool: pool,
    Gateway: ip,
    AuxAddresses: maybe(fc.dictionary(fc.string(), ip)),
  }),
  { maxLength: 2 },
)
const body = fc.record({
  NetworkID: anId,
  EndpointID: anId,
  PoolID: pool,
  Pool: maybe(pool),
  SubPool: maybe(pool),
  V6: maybe(fc.boolean()),
  Address: maybe(ip),
  Interface: maybe(
    fc.record({
      Address: maybe(ip),
      AddressIPv6: maybe(ip),
      MacAddress: maybe(fc.constantFrom('02:42:00:00:00:01', 'x')),
    }),
  ),
  IPv4Data: data,
  IPv6Data: data,
  DiscoveryType: fc.constant(1),
})
const methods = routes({} as Host['verbs']).map(({ method }) => method)
const step = fc.record({
  method: fc.constantFrom(...methods),
  body,
  options,
  again: fc.boolean(),
  host: fc.nat(1),
})

test('is never a defect, and leaves a store in which every address has one holder', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      const lab = cluster()
      const hosts = [lab.host(1), lab.host(2)]
      const calls: Call[] = []
      const apps = hosts.map(({ verbs }) =>
        pluginApp({ verbs, limitMs: 2000, onCall: (call) => calls.push(call) }),
      )
      const asks = steps.flatMap(({ method, body, options, again, host }) => {
        const Options = method.startsWith('Ipam') ? options : { 'com.docker.network.generic': options }
        const text = JSON.stringify({ ...body, Options })
        const ask = () => askApp(apps[host] as App, 'POST', `/${method}`, text)
        return again ? [ask, ask] : [ask]
      })
      // The first half in order, the others at once.
      const half = asks.length / 2
      for (const ask of asks.slice(0, half)) await ask()
      await Promise.all(asks.slice(half).map((ask) => ask()))
      const defects = calls.filter(({ outcome }) => outcome === 'internal' || outcome === 'unavailable')
      expect(defects.map(({ method, error }) => `${method}: ${error?.stack}`)).toEqual([])
      const { endpoints, networks, vnis } = await (hosts[0] as Host).store.read()
      const holders = [...endpoints.values()].map(({ value }) => `${value.network} ${value.v4}`)
      expect(new Set(holders).size).toBe(holders.length)
      expect(vnis.size).toBe(networks.size)
    }),
    { numRuns: 400 },
  )
})
