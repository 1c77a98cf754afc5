/** The client against a server that answers as dockerd's sources say: what is sent, and what is made of answers. */
import { symlink } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import * as z from 'zod'
import { recordSays } from '../../../../driver/core/knowledge.ts'
import { type EngineClient, engineClient } from '../../../../driver/engine/client.ts'
import { dockerEngine } from '../../../../driver/engine/docker.ts'
import { dockerCommands } from '../../../../driver/engine/docker-commands.ts'
import type { Engine } from '../../../../driver/engine/engine.ts'
import { inSwarmMode } from '../../../../driver/engine/swarm.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'
import { until } from '../../../fixtures/until.ts'

let folder: string
let server: Server
let client: EngineClient
let engine: Engine
let seen: string[]
let answers: Map<string, (request: IncomingMessage, response: ServerResponse) => void>

beforeEach(async () => {
  folder = temporaryFolder()
  seen = []
  answers = new Map([['GET /_ping', (_, response) => response.setHeader('api-version', '1.41').end('OK')]])
  server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const name = `${request.method} ${decodeURIComponent(request.url ?? '')}`
    seen.push(body === '' ? name : `${name} ${body}`)
    const answer = answers.get(name) ?? ((_, it) => json(404, { message: `no such thing: ${name}` })(_, it))
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(join(folder, 'docker.sock'), resolve))
  client = engineClient(join(folder, 'docker.sock'))
  engine = dockerEngine(client, { lockedAfterMs: 1500 })
})
afterEach(async () => {
  client.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function json(status: number, body: unknown) {
  return (_: IncomingMessage, response: ServerResponse) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

const dockerNetwork = {
  Name: 'foobar',
  Id: 'aaaa',
  Driver: 'vxlan',
  EnableIPv6: false,
  IPAM: {
    Driver: 'vxlan',
    Options: null,
    Config: [{ Subnet: '10.9.0.0/16', Gateway: '10.9.255.254', AuxiliaryAddresses: { router: '10.9.0.9' } }],
  },
  Internal: false,
  Containers: {
    cccc: { Name: 'web', EndpointID: 'eeee', MacAddress: '02:42:0a:09:00:02', IPv4Address: '10.9.0.2/16' },
    'ep-ffff': { Name: 'gone', EndpointID: 'ffff', MacAddress: '', IPv4Address: '' },
  },
  Options: null,
  Labels: { team: 'blue' },
}

test('speaks the engine’s own version and reads a network with what is on it', async () => {
  answers.set('GET /v1.41/networks/aaaa', json(200, dockerNetwork))
  expect(await engine.network('aaaa')).toEqual({
    id: 'aaaa',
    name: 'foobar',
    driver: 'vxlan',
    attachable: false,
    internal: false,
    options: {},
    ipamDriver: 'vxlan',
    ipamOptions: {},
    labels: { team: 'blue' },
    pools: [{ subnet: '10.9.0.0/16', gateway: '10.9.255.254', aux: { router: '10.9.0.9' } }],
    endpoints: [
      { id: 'eeee', container: 'cccc', name: 'web', mac: '02:42:0a:09:00:02', v4: '10.9.0.2' },
      { id: 'ffff', container: 'ep-ffff', name: 'gone', mac: '', v4: '' },
    ],
  })
  expect(seen).toEqual(['GET /_ping', 'GET /v1.41/networks/aaaa'])
})

test('a newer engine is spoken to in the newest version that we know', async () => {
  answers.set('GET /_ping', (_, response) => response.setHeader('api-version', '1.99').end('OK'))
  answers.set('GET /v1.51/version', json(200, { Version: '99.0.0' }))
  expect(await engine.version()).toBe('99.0.0')
})

test('reads the blocks of the engine’s bridges that a person chose, and none where there are none', async () => {
  answers.set('GET /v1.41/info', json(200, { ID: 'x' }))
  expect(await engine.addressPools()).toEqual([])
  const chosen = [
    { Base: '10.10.0.5/16', Size: 24 },
    { Base: 'fd00:9::/48', Size: 64 },
    { Base: '', Size: 0 },
  ]
  answers.set('GET /v1.41/info', json(200, { DefaultAddressPools: chosen }))
  expect(await engine.addressPools()).toEqual(['10.10.0.0/16', 'fd00:9::/48'])
})

test('says whether it has a container by a list of that container alone, which waits for no lock', async () => {
  const list = (id: string) => `GET /v1.41/containers/json?all=1&filters={"id":["${id}"]}`
  answers.set(list('cccc'), json(200, [{ Id: 'cccc', State: 'exited' }]))
  answers.set(list('gone'), json(200, []))
  expect(await engine.has('cccc')).toBe(true)
  expect(await engine.has('gone')).toBe(false)
})

test('reads what a container is configured for from the same list, and where containers have their files', async () => {
  const list = (id: string) => `GET /v1.41/containers/json?all=1&filters={"id":["${id}"]}`
  const Networks = { foobar: { NetworkID: 'aaaa' }, created: null }
  answers.set(list('cccc'), json(200, [{ Id: 'cccc', Names: ['/web'], NetworkSettings: { Networks } }]))
  answers.set(list('gone'), json(200, []))
  answers.set('GET /v1.41/info', json(200, { DockerRootDir: '/srv/docker' }))
  expect(await engine.configuredContainer('cccc')).toEqual({
    name: 'web',
    networks: [
      { name: 'foobar', id: 'aaaa', addresses: [] },
      { name: 'created', id: '', addresses: [] },
    ],
  })
  expect(await engine.configuredContainer('gone')).toBeUndefined()
  expect(await engine.containersFolder()).toBe('/srv/docker/containers')
})

test('lists the networks of our driver alone', async () => {
  answers.set(
    'GET /v1.41/networks?filters={"driver":["vxlan"]}',
    json(200, [dockerNetwork, { ...dockerNetwork, Driver: 'vxlan-two' }]),
  )
  expect((await engine.networks()).map(({ id }) => id)).toEqual(['aaaa'])
})

test('creates a network once per name, also on engines that would make two', async () => {
  answers.set('POST /v1.41/networks/create', json(201, { Id: 'bbbb' }))
  const network = {
    name: 'foobar',
    driver: 'vxlan',
    internal: true,
    ipv6: false,
    attachable: true,
    options: { 'multihost.id': 'aaaa' },
    labels: {},
    ipamDriver: 'vxlan',
    ipamOptions: { 'multihost.id': 'aaaa' },
    pools: [{ subnet: '10.9.0.0/16', gateway: '10.9.255.254', aux: {} }],
  }
  expect(await engine.createNetwork(network)).toBe('bbbb')
  expect(seen.at(-1)).toMatchInlineSnapshot(
    `"POST /v1.41/networks/create {"Name":"foobar","CheckDuplicate":true,"Driver":"vxlan","Internal":true,"Attachable":true,"EnableIPv6":false,"Options":{"multihost.id":"aaaa"},"Labels":{},"IPAM":{"Driver":"vxlan","Options":{"multihost.id":"aaaa"},"Config":[{"Subnet":"10.9.0.0/16","Gateway":"10.9.255.254","AuxiliaryAddresses":{}}]}}"`,
  )
  answers.set(
    'POST /v1.41/networks/create',
    json(409, { message: 'network with name foobar already exists' }),
  )
  await expect(engine.createNetwork(network)).rejects.toMatchObject({
    code: 'taken',
    message: 'the engine: network with name foobar already exists',
  })
})

const proof = recordSays('the test says so')

test('a network that is gone is removed, one with containers is in use', async () => {
  await engine.removeNetwork('aaaa', proof)
  answers.set('DELETE /v1.41/networks/aaaa', json(403, { message: 'network foobar has active endpoints' }))
  await expect(engine.removeNetwork('aaaa', proof)).rejects.toMatchObject({ code: 'in-use' })
  answers.set('DELETE /v1.41/networks/aaaa', (_, response) => response.writeHead(204).end())
  await engine.removeNetwork('aaaa', proof)
})

test('reads a container; its short id is not one of its aliases', async () => {
  answers.set(
    'GET /v1.41/containers/cccccccccccccc/json',
    json(200, {
      Id: 'cccccccccccccc',
      Name: '/web',
      State: { Running: true },
      HostsPath: '/var/lib/docker/containers/cccc/hosts',
      ResolvConfPath: '/var/lib/docker/containers/cccc/resolv.conf',
      Config: { Hostname: 'web1' },
      HostConfig: { Dns: ['192.0.2.1', 'FD00::1'] },
      Mounts: [{ Type: 'bind', Source: '/srv', Destination: '/data' }],
      NetworkSettings: {
        Networks: {
          foobar: {
            NetworkID: 'aaaa',
            EndpointID: 'eeee',
            IPAddress: '10.9.0.2',
            MacAddress: '02:42:0a:09:00:02',
            Aliases: ['www', 'cccccccccccc'],
            Links: ['pg:db', 'cache', '/pg:/web/base'],
          },
          own: {
            ...{ NetworkID: 'dddd', EndpointID: 'ffff', IPAddress: '172.20.0.2', MacAddress: '' },
            ...{ Aliases: ['www'], DNSNames: ['web', 'www', 'cccccccccccc', 'web1'] },
            ...{ Gateway: '172.20.0.1', GwPriority: 5 },
          },
          bridge: { NetworkID: 'bbbb', EndpointID: '', IPAddress: '', MacAddress: '', Aliases: null },
        },
      },
    }),
  )
  expect(await engine.container('cccccccccccccc')).toMatchInlineSnapshot(`
    {
      "attachments": [
        {
          "aliases": [
            "www",
          ],
          "dnsNames": [
            "web",
            "www",
            "cccccccccccc",
          ],
          "endpoint": "eeee",
          "hasGateway": false,
          "links": [
            {
              "alias": "db",
              "target": "pg",
            },
            {
              "alias": "cache",
              "target": "cache",
            },
            {
              "alias": "base",
              "target": "pg",
            },
          ],
          "mac": "02:42:0a:09:00:02",
          "name": "foobar",
          "network": "aaaa",
          "priority": 0,
          "v4": "10.9.0.2",
        },
        {
          "aliases": [
            "www",
          ],
          "dnsNames": [
            "web",
            "www",
            "cccccccccccc",
            "web1",
          ],
          "endpoint": "ffff",
          "hasGateway": true,
          "links": [],
          "mac": "",
          "name": "own",
          "network": "dddd",
          "priority": 5,
          "v4": "172.20.0.2",
        },
        {
          "aliases": [],
          "dnsNames": [],
          "endpoint": "",
          "hasGateway": false,
          "links": [],
          "mac": "",
          "name": "bridge",
          "network": "bbbb",
          "priority": 0,
          "v4": "",
        },
      ],
      "dns": [
        "192.0.2.1",
        "fd00::1",
      ],
      "hostname": "web1",
      "hostsPath": "/var/lib/docker/containers/cccc/hosts",
      "id": "cccccccccccccc",
      "mounts": [
        {
          "destination": "/data",
          "source": "/srv",
        },
      ],
      "name": "web",
      "resolvConfPath": "/var/lib/docker/containers/cccc/resolv.conf",
      "running": true,
    }
  `)
  answers.set('GET /v1.41/containers/json', json(200, [{ Id: 'cccccccccccccc' }, { Id: 'just-gone' }]))
  expect(await engine.running()).toEqual(['cccccccccccccc', 'just-gone'])
})

test('lists its bridges without their endpoints, and a bridge with them, without asking for a container', async () => {
  const gateway = { EndpointID: 'e', Name: 'gateway_1', IPv4Address: '172.18.0.2/16', IPv6Address: '' }
  const dual = { EndpointID: 'f', Name: 'web', IPv4Address: '172.17.0.2/16', IPv6Address: 'fd00::2/64' }
  const IPAM = { Driver: 'default', Config: [{ Subnet: '172.18.0.0/16' }] }
  const listed = { Id: 'aaaa', Name: 'docker_gwbridge', Driver: 'bridge', IPAM, Containers: {} }
  answers.set('GET /v1.41/networks?filters={"driver":["bridge"]}', json(200, [listed]))
  answers.set('GET /v1.41/networks/aaaa', json(200, { ...listed, Containers: { c1: gateway, c2: dual } }))
  const subnets = { name: 'docker_gwbridge', pools: [{ subnet: '172.18.0.0/16', aux: {} }] }
  expect(await engine.bridges()).toMatchObject([{ ...subnets, endpoints: [] }])
  expect((await engine.network('aaaa'))?.endpoints).toMatchObject([
    { container: 'c1', v4: '172.18.0.2' },
    { container: 'c2', v4: '172.17.0.2', v6: 'fd00::2' },
  ])
})

test('lists stopped containers with the networks that they are configured for', async () => {
  answers.set(
    'GET /v1.41/containers/json?all=1',
    json(200, [
      {
        ...{ Names: ['/db'], State: 'exited' },
        NetworkSettings: {
          Networks: {
            foobar: { NetworkID: 'aaaa', IPAMConfig: { IPv4Address: '10.1.0.9' } },
            other: { NetworkID: '' },
            third: null,
          },
        },
      },
      { Names: ['/going'], State: 'removing', NetworkSettings: { Networks: { foobar: {} } } },
      { Names: null, State: 'created', NetworkSettings: null },
    ]),
  )
  expect(await engine.configuredContainers()).toEqual([
    {
      name: 'db',
      networks: [
        { name: 'foobar', id: 'aaaa', addresses: ['10.1.0.9'] },
        { name: 'other', id: '', addresses: [] },
        { name: 'third', id: '', addresses: [] },
      ],
    },
    { name: '', networks: [] },
  ])
})

test('a stopped container is connected again as people configured it', async () => {
  const names = JSON.stringify({ driver: ['vxlan'] })
  const status = JSON.stringify({ status: ['exited', 'created'] })
  const Id = 'b'.repeat(64)
  const configured = {
    ...{
      NetworkID: 'earlier',
      Aliases: ['www', Id.slice(0, 12)],
      Links: ['db:base'],
      DriverOpts: { mtu: '1400' },
    },
    ...{ IPAMConfig: { IPv4Address: '10.9.0.9' }, IPAddress: '10.9.0.9', MacAddress: '', GwPriority: 2 },
  }
  const listed = {
    Id,
    HostConfig: { NetworkMode: 'bridge' },
    NetworkSettings: { Networks: { foobar: {}, other: null } },
  }
  const network = { ...dockerNetwork, Id: 'ab'.repeat(32) }
  answers.set(`GET /v1.41/networks?filters=${names}`, json(200, [network]))
  answers.set(`GET /v1.41/containers/json?all=1&filters=${status}`, json(200, [listed]))
  answers.set(
    `GET /v1.41/containers/${Id}/json`,
    json(200, {
      ...{
        Id,
        Name: '/web',
        State: { Error: 'network earlier not found', StartedAt: '2026-01-01T00:00:00Z' },
      },
      Config: { MacAddress: '02:42:0a:09:00:09' },
      HostConfig: { NetworkMode: 'foobar', RestartPolicy: { Name: 'always' } },
      NetworkSettings: { Networks: { foobar: configured, other: null } },
    }),
  )
  const [web] = await engine.stoppedContainers()
  const [foobar, other] = web?.networks ?? []
  expect(web).toMatchObject({
    name: 'web',
    error: 'network earlier not found',
    hasPolicy: true,
    hasRun: true,
    mode: 'foobar',
  })
  for (const NetworkMode of ['foobar', network.Id, network.Id.slice(0, 12)]) {
    const without = { Id, HostConfig: { NetworkMode }, NetworkSettings: { Networks: {} } }
    answers.set(`GET /v1.41/containers/json?all=1&filters=${status}`, json(200, [without]))
    expect(await engine.stoppedContainers()).toEqual([web])
  }
  expect(other).toEqual({
    ...{ name: 'other', id: '' },
    connection: { aliases: [], links: [], options: {}, linkLocal: [] },
  })
  if (foobar === undefined) throw new Error('no network')
  const body = {
    Container: Id,
    EndpointConfig: {
      IPAMConfig: { IPv4Address: '10.9.0.9', LinkLocalIPs: [] },
      ...{ Aliases: ['www'], Links: ['db:base'], DriverOpts: { mtu: '1400' } },
      ...{ MacAddress: '02:42:0a:09:00:09', GwPriority: 2 },
    },
  }
  const call = `POST /v1.41/networks/foobar/connect ${JSON.stringify(body)}`
  answers.set('POST /v1.41/networks/foobar/connect', json(200, {}))
  await engine.connect('foobar', Id, foobar.connection)
  expect(seen.at(-1)).toBe(call)
})

test('a stopped container that is locked, as by a long docker cp, holds up none of the others', async () => {
  const status = JSON.stringify({ status: ['exited', 'created'] })
  answers.set(
    `GET /v1.41/networks?filters=${JSON.stringify({ driver: ['vxlan'] })}`,
    json(200, [dockerNetwork]),
  )
  const listed = ['locked', 'web', 'sidecar'].map((Id) => {
    return { Id, NetworkSettings: { Networks: Id === 'sidecar' ? {} : { foobar: {} } } }
  })
  answers.set(`GET /v1.41/containers/json?all=1&filters=${status}`, json(200, listed))
  for (const Id of ['web', 'sidecar']) {
    const inspected = { Id, Name: `/${Id}`, State: {}, HostConfig: {}, NetworkSettings: null }
    answers.set(`GET /v1.41/containers/${Id}/json`, json(200, inspected))
  }
  answers.set('GET /v1.41/containers/locked/json', () => undefined)
  const names = (found: { name: string }[]) => found.map(({ name }) => name)
  const [ours, all] = await Promise.all([
    engine.stoppedContainers(),
    engine.stoppedContainers({ onAnyNetwork: true }),
  ])
  expect([names(ours), names(all)]).toEqual([['web'], ['web', 'sidecar']])
  for (const id of ['locked', 'web'])
    answers.set(`GET /v1.41/containers/${id}/json`, json(500, { message: 'going down' }))
  await expect(engine.stoppedContainers()).rejects.toThrow('going down')
})

test('an attachment whose interface has no IPv6 by a sysctl says so', async () => {
  const off = 'net.ipv6.conf.IFNAME.disable_ipv6=1'
  const inspected = (Sysctls: object | null, DriverOpts: object | null) => ({
    ...{ Id: 'cccc', Name: '/web', State: { Running: true }, Config: { Hostname: 'web' } },
    HostConfig: { Sysctls },
    NetworkSettings: { Networks: { dual: { NetworkID: 'aaaa', EndpointID: 'eeee', DriverOpts }, own: {} } },
  })
  const marks = async (...given: Parameters<typeof inspected>) => {
    answers.set('GET /v1.41/containers/cccc/json', json(200, inspected(...given)))
    return (await engine.container('cccc'))?.attachments.map(({ withoutIpv6 }) => withoutIpv6)
  }
  expect(await marks(null, null)).toEqual([undefined, undefined])
  expect(await marks({ 'net.ipv6.conf.all.disable_ipv6': '1' }, null)).toEqual([true, true])
  expect(await marks({}, { 'com.docker.network.endpoint.sysctls': off })).toEqual([true, undefined])
})

test('events come one by one, over lines cut anywhere, until dockerd goes away', async () => {
  const path = [
    ...['create', 'destroy', 'remove', 'connect', 'disconnect', 'start', 'die', 'rename', 'update'],
  ]
  const filter = JSON.stringify({ type: ['network', 'container'], event: path })
  answers.set(`GET /v1.41/events?filters=${filter}`, (_, response) => {
    const lines = [
      {
        Type: 'network',
        Action: 'create',
        Actor: { ID: 'aaaa', Attributes: { name: 'foobar', type: 'vxlan' } },
      },
      { Type: 'image', Action: 'create', Actor: { ID: 'x', Attributes: null } },
      { Type: 'container', Action: 'start', Actor: { ID: 'cccc', Attributes: null } },
    ]
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
    response.write(text.slice(0, 30))
    setImmediate(() => response.end(text.slice(30)))
  })
  const events: string[] = []
  const reading = (async () => {
    for await (const event of engine.events(new AbortController().signal)) {
      events.push(`${event.type} ${event.action} ${event.id}`)
    }
  })()
  await expect(reading).rejects.toMatchObject({ code: 'unavailable' })
  expect(events).toEqual(['network create aaaa', 'container start cccc'])
})

test.each([
  ['before its answer', () => undefined],
  ['amid its answer', (_: IncomingMessage, response: ServerResponse) => void response.write('{"Id":')],
])('an engine that is silent %s is unavailable when its time is over', async (_, answer) => {
  answers.set('GET /v1.41/slow', answer)
  const call = client.call('GET', '/slow', z.object({ Id: z.string() }), { timeoutMs: 200 })
  await expect(call).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/does not answer GET \/slow: no answer within 0.2 s/),
  })
})

test('an engine that is not there is unavailable, and is asked again when it is there', async () => {
  const socket = join(folder, 'other.sock')
  const late = engineClient(socket)
  await expect(dockerEngine(late).networks()).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/^the engine on .*other.sock does not answer GET \/_ping: connect ENOENT/),
  })
  await symlink(join(folder, 'docker.sock'), socket)
  answers.set('GET /v1.41/version', json(200, { Version: '20.10.24' }))
  expect(await dockerEngine(late).version()).toBe('20.10.24')
  late.close()
})

test.each<[string, () => Promise<unknown>]>([
  [
    'its stream of lines ends',
    async () => {
      answers.set('GET /v1.41/lines', (_, response) => void response.end('a line\n'))
      for await (const line of client.lines('/lines', new AbortController().signal))
        expect(line).toBe('a line')
    },
  ],
  [
    'a call breaks off',
    () => {
      answers.set('GET /v1.41/broken', (_, response) => void response.destroy())
      return client.send('GET', '/broken')
    },
  ],
])('an engine that has gone away, as %s, may come back in another version', async (_, goesAway) => {
  answers.set('GET /v1.41/version', json(200, { Version: '20.10.24' }))
  expect(await engine.version()).toBe('20.10.24')
  await expect(goesAway()).rejects.toMatchObject({ code: 'unavailable' })
  const tooOld = 'client version 1.41 is too old. Minimum supported API version is 1.44'
  answers.set('GET /v1.41/version', json(400, { message: tooOld }))
  answers.set('GET /_ping', (_, response) => void response.setHeader('api-version', '1.52').end('OK'))
  answers.set('GET /v1.51/version', json(200, { Version: '29.1.0' }))
  expect(await engine.version()).toBe('29.1.0')
})

test('an answer that is not the engine’s tells no version', async () => {
  const ping = answers.get('GET /_ping')
  answers.set('GET /_ping', (_, response) => void response.writeHead(503).end('no backend'))
  const unavailable = { code: 'unavailable', message: 'the engine: no backend' }
  await expect(engine.version()).rejects.toMatchObject(unavailable)
  if (ping !== undefined) answers.set('GET /_ping', ping)
  answers.set('GET /v1.41/version', json(200, { Version: '20.10.24' }))
  expect(await engine.version()).toBe('20.10.24')
})

test('a closed client ends the calls that are under way, and makes no more', async () => {
  let asked = 0
  answers.set('GET /v1.41/slow', () => {
    asked += 1
  })
  const slow = () => client.call('GET', '/slow', z.object({}), { timeoutMs: 5000 })
  const call = slow()
  await until('the engine was asked', () => asked === 1)
  client.close()
  await expect(call).rejects.toMatchObject({ code: 'unavailable' })
  await expect(slow()).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/does not answer GET \/slow: this process is about to end/),
  })
  expect(asked).toBe(1)
})

test('letters of several bytes may be cut between two chunks', async () => {
  const bytes = Buffer.from(JSON.stringify({ Version: 'größer' }))
  const cut = bytes.indexOf(0xc3) + 1
  answers.set('GET /v1.41/version', (_, response) => {
    response.write(bytes.subarray(0, cut))
    setTimeout(() => response.end(bytes.subarray(cut)), 20)
  })
  expect(await engine.version()).toBe('größer')
})

test('an error that is not JSON is shown as it is', async () => {
  answers.set('GET /v1.41/version', (_, response) => response.writeHead(502).end('Bad gateway\n'))
  await expect(engine.version()).rejects.toMatchObject({
    ...{ code: 'unavailable', message: 'the engine: Bad gateway' },
  })
})

test.each([
  ['inactive', false],
  ['pending', true],
  ['active/manager', true],
])('swarm mode is read from the header of an answer to ping: %s', async (state, expected) => {
  answers.set(
    'GET /_ping',
    (_, it) => void it.setHeader('swarm', state).setHeader('api-version', '1.41').end(),
  )
  expect(await inSwarmMode(client)).toBe(expected)
})

test('engines before 23 are asked for their swarm state', async () => {
  for (const [state, expected] of [
    ['inactive', false],
    ['', false],
    ['active', true],
  ] as const) {
    answers.set('GET /v1.41/info', json(200, { Swarm: { LocalNodeState: state } }))
    expect(await inSwarmMode(client)).toBe(expected)
  }
})

test('a container is connected with the addresses that are given', async () => {
  answers.set('POST /v1.41/networks/foobar/connect', (_, response) => void response.end())
  const commands = dockerCommands(client)
  await commands.connect('foobar', 'web', { v4: '10.9.0.2' })
  expect(seen.at(-1)).toBe(
    'POST /v1.41/networks/foobar/connect {"Container":"web","EndpointConfig":{"IPAMConfig":{"IPv4Address":"10.9.0.2"}}}',
  )
  expect(await commands.network('nope')).toBeUndefined()
  await expect(commands.container('nope')).rejects.toMatchObject({ code: 'not-found' })
})

test('a container is shown with its networks and the addresses that were requested there', async () => {
  const Networks = {
    one: { NetworkID: '1'.repeat(64), IPAMConfig: { IPv4Address: '10.9.0.2', IPv6Address: 'fd00::2' } },
    two: { NetworkID: '', IPAMConfig: {} },
    three: { IPAMConfig: null },
    none: null,
  }
  answers.set(
    'GET /v1.41/containers/web/json',
    json(200, { Id: 'c'.repeat(64), Name: '/web', NetworkSettings: { Networks } }),
  )
  expect(await dockerCommands(client).container('web')).toEqual({
    id: 'c'.repeat(64),
    name: 'web',
    networks: [
      { name: 'one', id: '1'.repeat(64), v4: '10.9.0.2', v6: 'fd00::2' },
      { name: 'two', id: '' },
      { name: 'three', id: '' },
      { name: 'none', id: '' },
    ],
  })
})
