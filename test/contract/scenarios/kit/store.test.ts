/**
 * How scenarios look into the store, with a real Consul, curl and jq: where there is nothing to be seen, and
 * why.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { storedKeys, storedNetworks } from '../../../../scenarios/kit/store.ts'
import { startConsul, type TestConsul } from '../../../fixtures/consul.ts'
import { hostHere } from '../../../fixtures/host-here.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'
import { until } from '../../../fixtures/until.ts'

const home = temporaryFolder(afterAll)
const curlrc = join(home, '.curlrc')
let consul: TestConsul
let token = ''
beforeAll(async () => {
  consul = await startConsul('acl { enabled = true default_policy = "deny" }')
  // A new leader begins with the ACL system of Consul 1.3, and refuses until it has left it.
  await until('the ACL system is bootstrapped', async () => {
    const answer = await fetch(`${consul.api}/acl/bootstrap`, { method: 'PUT' })
    if (!answer.ok) throw new Error(await answer.text())
    token = ((await answer.json()) as { SecretID: string }).SecretID
    return true
  })
})
afterAll(async () => {
  await consul.stop()
})

/** Commands run as root's on the Consul server: with root's curlrc, which has the token. */
const server = hostHere({ consulApi: () => consul.api, env: { HOME: home, CURL_HOME: home } })

async function put(key: string, value: object | null): Promise<void> {
  const init = { method: 'PUT', headers: { 'X-Consul-Token': token }, body: value && JSON.stringify(value) }
  expect((await fetch(`${consul.api}/kv/multihost/${key}`, init)).ok).toBe(true)
}

beforeEach(() => writeFileSync(curlrc, `header = "X-Consul-Token: ${token}"\n`))

test('a store without even its hosts has not been read', async () => {
  await expect(storedKeys(server)).rejects.toThrow('404')
})

test('all that networks have in it is seen, and the log of changes is not', async () => {
  await put('hosts/net-1', {})
  await put('changes/1/head', null)
  expect(await storedKeys(server)).toEqual([])
  await put('networks/n1', { id: 'n1', name: 'blue', vni: 256 })
  await put('endpoints/n1/e1', { network: 'n1', host: 'net-1', v4: '10.9.0.2' })
  expect(await storedKeys(server)).toEqual(['endpoints/n1/e1', 'networks/n1'])
  expect((await storedNetworks(server)).get('blue')?.endpoints).toMatchObject([{ host: 'net-1' }])
})

test('without the token of a secured lab it is an error', async () => {
  rmSync(curlrc)
  await expect(storedKeys(server)).rejects.toThrow(/40[34]/)
})

test('a Consul that is away is an error', async () => {
  await consul.kill()
  await expect(storedKeys(server)).rejects.toThrow('should succeed')
})
