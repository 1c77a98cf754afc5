/** A store that was moved by a snapshot, and the Consul that it was moved from. */
import { expect, test } from 'vitest'
import { answeringApart, type OldServer } from '../../../../driver/membership/old-store.ts'
import { type Failure, failureOf } from '../../../../driver/store/consul/failures.ts'
import { parseStoreUrl } from '../../../../driver/store/consul/url.ts'
import { type ConsulInMemory, consulInMemory } from '../../../fixtures/consul-in-memory.ts'

const at = (consul: ConsulInMemory, url: string, prefix = 'multihost'): OldServer => {
  return { url, prefix, client: consul.client() }
}

const failure = (message: string, more: Partial<Failure> = {}): Failure =>
  Object.assign(new Error(message), more)
const answered = (statusCode: number, body: string): Failure =>
  failure(body, { response: { statusCode, body } })

/** `later`: what answers after the first failure. */
function failing(
  error: Failure,
  { secure = false, later }: { secure?: boolean; later?: ConsulInMemory } = {},
) {
  const address = parseStoreUrl(`${secure ? 'https' : 'consul'}://192.168.33.10:8500/multihost`)
  let calls = 0
  const list: OldServer['client']['list'] = (...words) => {
    calls += 1
    if (calls > 1 && later !== undefined) return later.client().list(...words)
    return Promise.reject(failureOf(error, address))
  }
  return { server: { url: 'old', prefix: 'multihost', client: { list } }, calls: () => calls }
}

function moved() {
  const old = consulInMemory()
  old.put('multihost/cluster', '{"id":"c1","format":1}')
  const copy = consulInMemory()
  copy.restore(old.backup())
  const wanted = { prefix: 'multihost', client: copy.client() }
  const look = (...servers: OldServer[]) =>
    answeringApart(servers, wanted, { withinMs: 100, pollEveryMs: 10 })
  return { old, copy, look }
}

test('the old Consul of a copy is named while it answers', async () => {
  const { old, copy, look } = moved()
  expect(await look(at(old, 'old'), at(copy, 'agent'))).toEqual({ apart: ['old'], untold: [] })
  expect(copy.keys()).toEqual(['multihost/cluster'])
})

const page = '<html><body>503: Permission denied. No cluster leader.</body></html>'

test.each<[string, Failure, { secure?: boolean }]>([
  ['is silent', failure('connect ECONNREFUSED 192.168.33.10:8500', { code: 'ECONNREFUSED' }), {}],
  ['does not answer in time', failure('request timed out (4000ms)'), {}],
  ['is a web server’s', failure(page, { code: 'NOT_CONSUL' }), {}],
  ['is a web server’s that refuses', answered(403, page), {}],
  ['is a balancer’s without servers', answered(503, page), {}],
  ['is a proxy’s without servers', answered(503, 'no healthy upstream'), {}],
  ['answers nothing', failure('no X-Consul-Index', { code: 'NO_INDEX' }), {}],
  ['has TLS alone', answered(400, 'Client sent an HTTP request to an HTTPS server.'), {}],
  ['has no TLS', failure('wrong version number', { code: 'ERR_SSL_WRONG_VERSION_NUMBER' }), { secure: true }],
  ['is closed by a balancer', failure('socket hang up', { code: 'ECONNRESET' }), { secure: true }],
])('an old address that %s is no other Consul', async (_, error, { secure = false }) => {
  const { look, copy } = moved()
  const none = { apart: [], untold: [] }
  expect(await look(failing(error, { secure }).server, at(copy, 'another server'))).toEqual(none)
})

test.each(['ERR_TLS_CERT_ALTNAME_INVALID', 'CERT_HAS_EXPIRED', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'])(
  'a certificate that cannot be trusted (%s) tells nothing, and that is said',
  async (code) => {
    const { server, calls } = failing(failure('the reason', { code }), { secure: true })
    const untold = [expect.stringMatching(/the certificate of Consul at .*: the reason/)]
    expect(await moved().look(server)).toEqual({ apart: [], untold })
    expect(calls()).toBe(1)
  },
)

test('an old Consul that refuses the token answers; another folder of one Consul is another store', async () => {
  const { copy, look } = moved()
  const { server, calls } = failing(answered(403, 'Permission denied: token lacks key:read'))
  const { apart } = await look(server, at(copy, 'other folder', 'other'))
  expect(apart).toEqual(['old', 'other folder'])
  expect(calls()).toBe(1)
})

test.each([
  [500, 'No cluster leader'],
  [500, 'rpc error making call: EOF'],
  [429, 'Your IP is issuing too many concurrent connections, please rate limit your calls'],
  [503, 'rate limit exceeded, try again later'],
])('an old Consul that answers %i %s is asked again, and is there if it goes on so', async (status, says) => {
  const { old, copy, look } = moved()
  const error = answered(status, says)
  const lasting = failing(error)
  expect((await look(lasting.server)).apart).toEqual(['old'])
  expect(lasting.calls()).toBeGreaterThan(1)
  expect((await look(failing(error, { later: copy }).server)).apart).toEqual([])
  expect((await look(failing(error, { later: old }).server)).apart).toEqual(['old'])
})
