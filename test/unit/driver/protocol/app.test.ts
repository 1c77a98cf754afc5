import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DriverError } from '../../../../driver/core/errors.ts'
import { type Call, pluginApp } from '../../../../driver/protocol/app.ts'
import { routes } from '../../../../driver/protocol/routes.ts'
import { askApp } from '../../../fixtures/ask-app.ts'
import { fakeVerbs } from './verbs.fake.ts'

const network = 'a'.repeat(64)
const endpoint = 'b'.repeat(64)

async function post(app: ReturnType<typeof pluginApp>, method: string, body?: unknown) {
  const text = typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body)
  const answer = await askApp(app, 'POST', `/${method}`, text)
  return { status: answer.status, body: JSON.parse(answer.text) as { Err?: string; Error?: string } }
}

describe('the handshake', () => {
  test('needs no body, and says local scope and no replay', async () => {
    const app = pluginApp({ verbs: fakeVerbs() })
    const methods = [
      'Plugin.Activate',
      'NetworkDriver.GetCapabilities',
      'IpamDriver.GetCapabilities',
      'IpamDriver.GetDefaultAddressSpaces',
    ]
    const answers = await Promise.all(methods.map(async (method) => (await post(app, method)).body))
    expect(answers.map((answer) => JSON.stringify(answer)).join('\n')).toMatchInlineSnapshot(`
      "{"Implements":["NetworkDriver","IpamDriver"]}
      {"Scope":"local","ConnectivityScope":"global","GwAllocChecker":true}
      {"RequiresMACAddress":false,"RequiresRequestReplay":false}
      {"LocalDefaultAddressSpace":"multihost","GlobalDefaultAddressSpace":"multihost"}"
    `)
  })
})

describe('what Docker says, in our words', () => {
  test('a network with options, an internal one, from engines that write null for nothing', async () => {
    const verbs = fakeVerbs()
    const app = pluginApp({ verbs })
    await post(app, 'NetworkDriver.CreateNetwork', {
      NetworkID: network,
      Options: {
        'com.docker.network.enable_ipv4': true,
        'com.docker.network.generic': { mtu: '1400' },
        'com.docker.network.internal': true,
      },
      IPv4Data: [
        {
          AddressSpace: 'multihost',
          Pool: '10.9.0.0/16',
          Gateway: '10.9.255.254/16',
          AuxAddresses: { router: '10.9.0.9/16' },
        },
      ],
      IPv6Data: null,
    })
    await post(app, 'NetworkDriver.CreateNetwork', { NetworkID: network, Options: null, IPv4Data: [] })
    expect(verbs.asked).toMatchInlineSnapshot(`
      [
        [
          "createNetwork",
          {
            "internal": true,
            "localId": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "options": {
              "mtu": "1400",
            },
            "v4": [
              {
                "addressSpace": "multihost",
                "aux": {
                  "router": "10.9.0.9/16",
                },
                "gateway": "10.9.255.254/16",
                "pool": "10.9.0.0/16",
              },
            ],
            "v6": [],
          },
        ],
        [
          "createNetwork",
          {
            "internal": false,
            "localId": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "options": {},
            "v4": [],
            "v6": [],
          },
        ],
      ]
    `)
  })

  test('the gateway is told from other addresses by the type of the request', async () => {
    const verbs = fakeVerbs()
    const app = pluginApp({ verbs })
    const Options = { RequestAddressType: 'com.docker.network.gateway' }
    await post(app, 'IpamDriver.RequestAddress', { PoolID: '10.9.0.0/16', Address: '', Options })
    await post(app, 'IpamDriver.RequestAddress', {
      PoolID: '10.9.0.0/16',
      Address: '10.9.0.7',
      Options: null,
    })
    expect(verbs.asked).toEqual([
      ['requestAddress', { pool: '10.9.0.0/16', gateway: true }],
      ['requestAddress', { pool: '10.9.0.0/16', gateway: false, address: '10.9.0.7' }],
    ])
  })

  test('a container of any name gets an address: engines from 29 on say the name', async () => {
    const verbs = fakeVerbs()
    const Options = { 'com.docker.network.endpoint.name': 'w'.repeat(2000) }
    await post(pluginApp({ verbs }), 'IpamDriver.RequestAddress', { PoolID: '10.9.0.0/16', Options })
    expect(verbs.asked).toEqual([['requestAddress', { pool: '10.9.0.0/16', gateway: false }]])
  })

  test('the MAC is answered only to an engine that has none yet', async () => {
    const app = pluginApp({ verbs: fakeVerbs() })
    const ask = { NetworkID: network, EndpointID: endpoint, Options: {} }
    const Interface = { Address: '172.21.0.2/16', AddressIPv6: '', MacAddress: '' }
    const without = await post(app, 'NetworkDriver.CreateEndpoint', { ...ask, Interface })
    const MacAddress = '02:42:ac:15:00:02'
    const having = await post(app, 'NetworkDriver.CreateEndpoint', {
      ...ask,
      Interface: { ...Interface, MacAddress },
    })
    expect(without.body).toEqual({ Interface: { MacAddress } })
    expect(having.body).toEqual({})
  })

  test('the name that a person gave the interface goes on, and other options of the endpoint do not', async () => {
    const verbs = fakeVerbs()
    const app = pluginApp({ verbs })
    const ask = { NetworkID: network, EndpointID: endpoint, Interface: { Address: '172.21.0.2/16' } }
    const Options = {
      'com.docker.network.endpoint.exposedports': [{ Proto: 6, Port: 80 }],
      'com.docker.network.endpoint.ifname': 'lan0',
    }
    await post(app, 'NetworkDriver.CreateEndpoint', { ...ask, Options })
    await post(app, 'NetworkDriver.CreateEndpoint', { ...ask, Options: null })
    const ref = { network, endpoint, v4: '172.21.0.2/16' }
    expect(verbs.asked).toEqual([
      ['createEndpoint', { ...ref, interfaceName: 'lan0' }],
      ['createEndpoint', ref],
    ])
  })

  test('Join answers that name as DstName, which engines before 29.8 do not read, beside the prefix', async () => {
    const join = async () => ({ device: 'vxcaaaaaaaa', internal: false, interfaceName: 'lan0' })
    const ask = { NetworkID: network, EndpointID: endpoint, SandboxKey: '/x', Options: {} }
    const { body } = await post(pluginApp({ verbs: fakeVerbs({ join }) }), 'NetworkDriver.Join', ask)
    expect(body).toEqual({
      InterfaceName: { SrcName: 'vxcaaaaaaaa', DstPrefix: 'eth', DstName: 'lan0' },
    })
  })

  test('Join names the interface and no gateway, and no gateway service on an internal network', async () => {
    const ask = { NetworkID: network, EndpointID: endpoint, SandboxKey: '/x', Options: {} }
    const open = await post(pluginApp({ verbs: fakeVerbs() }), 'NetworkDriver.Join', ask)
    const join = async () => ({ device: 'vxcaaaaaaaa', internal: true })
    const closed = await post(pluginApp({ verbs: fakeVerbs({ join }) }), 'NetworkDriver.Join', ask)
    const InterfaceName = { SrcName: 'vxcaaaaaaaa', DstPrefix: 'eth' }
    expect(open.body).toEqual({ InterfaceName })
    expect(closed.body).toEqual({ InterfaceName, DisableGatewayService: true })
  })
})

describe('an error', () => {
  test('is said in both of Docker’s words, with the way out', async () => {
    const requestPool = async () => {
      throw new DriverError('taken', '10.9.0.0/16 is the pool of foobar', { hint: 'choose another --subnet' })
    }
    const line = '10.9.0.0/16 is the pool of foobar; choose another --subnet'
    expect(
      await post(pluginApp({ verbs: fakeVerbs({ requestPool }) }), 'IpamDriver.RequestPool', {}),
    ).toEqual({
      status: 409,
      body: { Err: line, Error: line },
    })
  })

  test.each([
    [
      'an empty body, which is what the engine sends when the driver died before it answered',
      '',
      'multihost was restarted before it answered Docker, and NetworkDriver.DeleteNetwork was not done; try again',
    ],
    ['a truncated body', '{"NetworkID": "aa', /^the request is not JSON/],
    ['a body of another type', '[]', /^NetworkDriver.DeleteNetwork: the body: /],
    ['a field of another type', '{"NetworkID": 7}', /^NetworkDriver.DeleteNetwork: NetworkID: /],
    ['a malformed id', '{"NetworkID": "../x"}', 'NetworkDriver.DeleteNetwork: NetworkID: is not an id'],
  ])('%s is refused with what is wrong', async (_, body, message) => {
    const answer = await post(pluginApp({ verbs: fakeVerbs() }), 'NetworkDriver.DeleteNetwork', body)
    expect(answer.status).toBe(400)
    expect(answer.body.Err).toEqual(answer.body.Error)
    expect(answer.body.Err).toMatch(message)
  })

  test('the options of a container that publishes all ports are read', async () => {
    const ports = [6, 17].flatMap((Proto) =>
      Array.from({ length: 65_535 }, (_, i) => {
        const Port = i + 1
        return { Proto, IP: '', Port, HostIP: '', HostPort: Port, HostPortEnd: Port }
      }),
    )
    const body = {
      NetworkID: 'n',
      EndpointID: 'e',
      SandboxKey: '/s',
      Options: { 'com.docker.network.portmap': ports },
    }
    const answer = await post(pluginApp({ verbs: fakeVerbs() }), 'NetworkDriver.Join', body)
    expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  })

  test('a huge body is not read', async () => {
    const body = JSON.stringify({ NetworkID: 'a'.repeat(16 * 1024 * 1024) })
    const answer = await post(pluginApp({ verbs: fakeVerbs() }), 'NetworkDriver.DeleteNetwork', body)
    expect(answer).toMatchObject({ status: 413, body: { Err: 'the request exceeds 16 MiB' } })
  })

  test('an unknown path is 404, which the engine takes for a method we do not have', async () => {
    const answer = await post(pluginApp({ verbs: fakeVerbs() }), 'NetworkDriver.Fly', {})
    expect(answer).toMatchObject({ status: 404, body: { Error: 'unknown request: POST /NetworkDriver.Fly' } })
  })

  test('a verb that hangs is given up, told so, and reported', async () => {
    let given: AbortSignal | undefined
    const calls: Call[] = []
    const leave = (_: unknown, signal: AbortSignal) => {
      given = signal
      return new Promise<void>(() => undefined)
    }
    const app = pluginApp({ verbs: fakeVerbs({ leave }), limitMs: 20, onCall: (call) => calls.push(call) })
    const answer = await post(app, 'NetworkDriver.Leave', { NetworkID: network, EndpointID: endpoint })
    expect(answer).toMatchObject({
      status: 503,
      body: { Err: expect.stringContaining('NetworkDriver.Leave') },
    })
    expect(given?.aborted).toBe(true)
    expect(calls).toMatchObject([{ method: 'NetworkDriver.Leave', outcome: 'unavailable' }])
  })
})

test('for any JSON on any path the answer is JSON, in time, and never a defect of ours', async () => {
  const verbs = fakeVerbs()
  const app = pluginApp({ verbs, limitMs: 1000 })
  const fields = [
    'NetworkID',
    'EndpointID',
    'PoolID',
    'Pool',
    'SubPool',
    'Address',
    'Options',
    'Interface',
    'V6',
  ]
  const docker = fc.dictionary(fc.constantFrom(...fields, 'IPv4Data', 'IPv6Data'), fc.jsonValue())
  const body = fc.oneof(
    fc.json(),
    fc.string(),
    docker.map((value) => JSON.stringify(value)),
  )
  const path = fc.constantFrom(...routes(verbs).map(({ method }) => method))
  await fc.assert(
    fc.asyncProperty(path, body, async (method, text) => {
      const answer = await post(app, method, text)
      expect([200, 400]).toContain(answer.status)
      if (answer.status !== 200) expect(answer.body.Err).toBe(answer.body.Error)
    }),
    { numRuns: 1500 },
  )
})
