import { Map as PersistentMap } from 'immutable'
import { describe, expect, test } from 'vitest'
import { isCode } from '../../../../driver/core/errors.ts'
import type { Endpoint, Network, Service, Snapshot } from '../../../../driver/core/records.ts'
import {
  checkServiceName,
  describeBackend,
  findService,
  listServices,
  parsePublished,
  parseServiceName,
  type ServiceView,
  serviceNetwork,
} from '../../../../driver/core/services.ts'
import { emptySnapshot } from '../../../../driver/core/snapshot.ts'

const at = <T>(value: T) => ({ value, index: 1 })
const multihost = 'a'.repeat(64)
const foobar = 'f'.repeat(64)

function network(id: string, name: string): Network {
  return {
    ...{ id, name, vni: 256, port: 4789, internal: false, options: {}, labels: {} },
    v4: { cidr: '172.21.0.0/16', gateway: '172.21.255.254', aux: {} },
    ...{ createdBy: 'net-1', createdAt: '2026-01-01T00:00:00Z' },
  }
}

function endpoint(id: string, on: string, name?: string, more: Partial<Endpoint> = {}): Endpoint {
  const container = name === undefined ? {} : { container: { id: id.repeat(32).slice(0, 64), name } }
  return {
    ...{ network: on, id, v4: '172.21.0.2', mac: '02:42:ac:15:00:02', host: 'net-1', vtep: '192.168.33.11' },
    ...{ joined: true, aliases: [] },
    ...container,
    ...more,
  }
}

function snapshot({
  endpoints = [],
  services = [],
}: {
  endpoints?: Endpoint[]
  services?: Service[]
}): Snapshot {
  return {
    ...emptySnapshot(),
    networks: PersistentMap([
      [multihost, at(network(multihost, 'multihost'))],
      [foobar, at(network(foobar, 'foobar'))],
    ]),
    'network-names': PersistentMap([
      ['multihost', at(multihost)],
      ['foobar', at(foobar)],
    ]),
    endpoints: PersistentMap(endpoints.map((it) => [`${it.network}/${it.id}`, at(it)])),
    services: PersistentMap(services.map((it) => [`${it.network}/${it.name}`, at(it)])),
  }
}

const show = (services: ServiceView[]): string =>
  services
    .map(({ id, name, network, backend, published }) => {
      const behind = backend === undefined ? '-' : describeBackend(backend)
      return `${id.slice(0, 4)} ${name} ${network.name} ${published ? 'published' : 'derived'}: ${behind}`
    })
    .join('\n')

const lineOf = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    if (isCode(error, 'invalid', 'not-found')) return error.line
    throw error
  }
  return 'nothing was thrown'
}

describe('a name', () => {
  test.each([
    ['bar', { service: 'bar' }],
    ['bar.foobar', { service: 'bar', network: 'foobar' }],
    ['www.bar.foobar', { service: 'www.bar', network: 'foobar' }],
  ])('%s on the command line has its network behind the last dot', (text, ref) => {
    expect(parseServiceName(text)).toEqual(ref)
  })

  test.each([
    ['bar', { service: 'bar' }],
    ['bar.foobar', { service: 'bar', network: 'foobar' }],
    ['bar.foobar.overlay', { service: 'bar', network: 'foobar', driver: 'overlay' }],
    ['www.bar.foobar.overlay', { service: 'www.bar', network: 'foobar', driver: 'overlay' }],
  ])('%s of --publish-service has its driver last when there are three parts', (text, ref) => {
    expect(parsePublished(text)).toEqual(ref)
  })

  test('on a network whose name has dots is found, and the last dot counts where it can', () => {
    const named = (...names: string[]) => [(name: string) => names.includes(name)] as const
    const web = { service: 'web', network: 'my.net' }
    expect(parseServiceName('web.my.net', ...named('my.net'))).toEqual(web)
    expect(parseServiceName('web.my.net', ...named('my.net', 'net'))).toEqual({
      ...{ service: 'web.my', network: 'net' },
    })
    expect(parsePublished('web.my.net', ...named('my.net'))).toEqual(web)
    expect(parsePublished('web.my.net.overlay', ...named('my.net'))).toEqual({ ...web, driver: 'overlay' })
    expect(parsePublished('web.my.net', ...named('my', 'net'))).toEqual({
      ...{ service: 'web', network: 'my', driver: 'net' },
    })
  })

  test.each(['', '.', '.foobar', 'bar.'])("'%s' names no service", (text) => {
    expect(lineOf(() => parseServiceName(text))).toBe(
      `'${text}' is not a service; write SERVICE or SERVICE.NETWORK`,
    )
  })

  test.each(['bar baz', '-bar', 'bär', 'a'.repeat(64), 'bar\n10.0.0.1 evil', 'a..b', 'bar.'])(
    '%j cannot be published',
    (name) => {
      expect(lineOf(() => checkServiceName(name))).toContain('is not a valid service name')
    },
  )
})

test.each(['localhost', 'LOCALHOST', 'localhost.localdomain', 'ip6-allnodes'])(
  '%s cannot be published: no container would find it',
  (name) => {
    expect(lineOf(() => checkServiceName(name))).toBe(
      `'${name}' is a name that each machine has for itself; choose another name`,
    )
  },
)

describe('the list', () => {
  test('has published services with and without a container, and containers by their names', () => {
    const services = [
      { id: '11'.repeat(32), network: foobar, name: 'bar', v4: '172.21.0.3', endpoint: 'e1' },
      { id: '22'.repeat(32), network: foobar, name: 'empty', v4: '172.21.0.4' },
    ]
    const endpoints = [
      endpoint('e1', foobar, 'distracted_bohr', { service: 'bar' }),
      endpoint('e2', multihost, 'modest.curie', { host: 'net-2' }),
      endpoint('e3', multihost),
    ]
    expect(show(listServices(snapshot({ endpoints, services })))).toMatchInlineSnapshot(`
      "1111 bar foobar published: container distracted_bohr (e1e1e1e1e1e1) on net-1
      2222 empty foobar published: -
      e2 modest-curie multihost derived: container modest.curie (e2e2e2e2e2e2) on net-2"
    `)
  })
})

describe('a lookup', () => {
  const services = [
    { id: 'abc1'.repeat(16), network: foobar, name: 'bar', v4: '172.21.0.3' },
    { id: 'abc2'.repeat(16), network: foobar, name: 'abc1', v4: '172.21.0.4' },
    { id: 'd'.repeat(64), network: multihost, name: 'bar', v4: '172.21.0.5' },
  ]
  const all = snapshot({ services })
  const find = (text: string): string => show([findService(all, text, 'multihost')])

  test('goes to the default network without another, and to the named one with it', () => {
    expect(find('bar')).toContain('bar multihost')
    expect(find('bar.foobar')).toContain('bar foobar')
  })
  test('takes a name before the beginning of an id, and an id from any network', () => {
    expect(find('abc1.foobar')).toContain('abc1 foobar')
    expect(find('abc1')).toContain('bar foobar')
    expect(find('abc2')).toContain('abc1 foobar')
  })
  test('means the published service where a container has its name', () => {
    const both = snapshot({ services, endpoints: [endpoint('e1', foobar, 'bar')] })
    expect(show([findService(both, 'bar.foobar', 'multihost')])).toBe('abc1 bar foobar published: -')
    expect(show([findService(both, 'e1', 'multihost')])).toContain('derived')
  })
  test('lists what an id could be the beginning of', () => {
    expect(lineOf(() => find('abc'))).toMatchInlineSnapshot(
      `"'abc' matches several services: abc2abc2abc2 (abc1.foobar), abc1abc1abc1 (bar.foobar); give more digits of the id"`,
    )
  })
  test('says on which network it has looked', () => {
    expect(lineOf(() => find('nope'))).toMatchInlineSnapshot(
      `"there is no service 'nope' on network multihost; 'multihost service ls' lists the services; name one of another network as SERVICE.NETWORK"`,
    )
    expect(lineOf(() => find('bar.nope'))).toMatchInlineSnapshot(
      `"the cluster has no network 'nope'; its networks are foobar, multihost; create one with: docker network create -d vxlan --ipam-driver vxlan nope"`,
    )
    expect(lineOf(() => serviceNetwork(emptySnapshot(), { service: 'bar' }, 'multihost'))).toContain(
      'none yet',
    )
  })
})
