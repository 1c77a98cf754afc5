/**
 * A Consul with ACLs and TLS: what a host's token allows, where the secrets are, and the errors of a wrong
 * secret.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect } from 'vitest'
import { authority } from '../../provision/lab/secrets.ts'
import { atEnd } from '../kit/at-end.ts'
import type { Host } from '../kit/host.ts'
import { sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'

const token = '/etc/multihost/consul-token'
const authorityFile = '/etc/multihost/consul-ca.pem'
const options = '/etc/default/docker'

let foreignAuthority = ''
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'authority-'))
  await authority(join(folder, 'other'), 'another authority')
  foreignAuthority = readFileSync(join(folder, 'other.pem'), 'utf8')
  rmSync(folder, { recursive: true })
})

scenario(
  'no secret is in an argument, a log, or a file that other users can read',
  async ({ needs, hostA, hostB, consulServer }) => {
    needs('secure')
    await consulServer.succeed`sed -n 's/.*Token: \(.*\)"/\1/p' /root/.curlrc > /run/secret; chmod 600 /run/secret`
    await consulServer.succeed`test $(stat -c %a /etc/consul.d/consul.key) = 600`
    for (const host of [hostA, hostB])
      await host.succeed`cp -p ${token} /run/secret; test $(stat -c %a /run/secret) = 600`
    const processes = "printf '%s\\n' /run/journal /proc/[0-9]*/cmdline /proc/[0-9]*/environ"
    const readable =
      'find /etc /run /root /tmp /usr/local /var/lib /var/log -ignore_readdir_race -xdev -type f -perm /o+r'
    for (const host of [hostA, hostB, consulServer]) {
      await host.succeed`umask 077; journalctl --no-pager > /run/journal`
      expect(await secretIn(host, processes)).toEqual([])
      expect(await secretIn(host, readable)).toEqual([])
      await host.succeed`rm /run/secret /run/journal`
    }
  },
)

/** The listed files that contain the secret. The secret's own file is searched too, and must be found. */
async function secretIn(host: Host, list: string): Promise<string[]> {
  await host.succeed`test -s /run/secret && sh -c ${list} > /run/files && test -s /run/files`
  // grep's exit code is not checked: processes end during the search.
  const { stdout } = await host.run`xargs -d '\n' -a /run/files grep -sFlf /run/secret /run/secret`
  const found = new Set(stdout.trim().split('\n'))
  expect(found.delete('/run/secret'), 'the search finds the secret’s own file').toBe(true)
  return [...found]
}

scenario(
  'a host’s token allows what the driver does, and nothing else',
  async ({ needs, hostA, hostB, consulServer }) => {
    needs('secure')
    const store = `https://${consulServer.address}:8501/v1`
    await hostA.succeed`(umask 077; sed 's/^/X-Consul-Token: /' ${token} > /run/header)`
    const asked = (path: string, ...more: string[]) =>
      hostA.succeed`curl -s --cacert ${authorityFile} -H @/run/header -o /dev/null -w ${'%{http_code}'} ${more} ${`${store}/${path}`}`
    expect(await asked('kv/multihost/?keys')).toBe('200')
    expect(await asked('kv/other/key', '-X', 'PUT', '-d', 'x')).toBe('403')
    expect(await asked('session/create', '-X', 'PUT', '-d', '{"Node":"other"}')).toBe('403')
    for (const path of ['acl/tokens', 'acl/policies', 'operator/raft/configuration'])
      expect(await asked(path)).toBe('403')
    const ofHost = (name: string) => `kv/multihost/alive/${name}`
    for (const method of ['PUT', 'DELETE'])
      expect(await asked(ofHost(hostB.name), '-X', method), 'another host’s name').toBe('403')
    expect(await asked(ofHost(hostB.name))).toBe('200')
    expect(await asked(`${ofHost(hostA.name)}?cas=1`, '-X', 'PUT'), 'its own').toBe('200')
    await hostA.succeed`rm /run/header`
    const anonymous = await hostA.succeed`curl -s --cacert ${authorityFile} ${`${store}/kv/multihost/?keys`}`
    expect(anonymous).not.toContain('multihost/')
    await hostA.fail`curl -s -m 2 http://${consulServer.address}:8500/v1/status/leader`
  },
)

const wrong: { what: string; make: (host: Host) => Promise<unknown>; says: string }[] = [
  {
    what: 'token',
    make: (host) => host.succeed`echo 11111111-2222-3333-4444-555555555555 > ${token}`,
    says: 'refuses: ACL not found',
  },
  {
    what: 'authority',
    make: (host) => host.succeed`echo ${foreignAuthority} > ${authorityFile}`,
    says: 'cannot be trusted',
  },
  {
    what: 'name in the certificate',
    make: (host) =>
      host.succeed`echo 192.168.33.10 elsewhere >> /etc/hosts; sed -i s,https://192.168.33.10:,https://elsewhere:, ${options}`,
    says: 'is for other hosts',
  },
]

for (const { what, make, says } of wrong) {
  scenario(
    `a wrong ${what} is reported within 5 s, and disturbs no container`,
    async ({ needs, hostA, hostB }) => {
      needs('secure')
      await using network = await sharedNetwork([hostA, hostB], 'secured')
      await using one = await hostA.run({ name: 'one', network: network.name })
      await using two = await hostB.run({ name: 'two', network: network.name })
      await hostB.succeed`mkdir /run/right; cp -p ${token} ${authorityFile} ${options} /etc/hosts /run/right`
      await make(hostB)
      {
        await using _right = atEnd(
          () =>
            hostB.succeed`cd /run/right; cp -p consul-token consul-ca.pem /etc/multihost; cp -p docker /etc/default; cat hosts > /etc/hosts; rm -r /run/right; systemctl restart multihost`,
        )
        await hostB.succeed`systemctl restart multihost`
        await hostB.within(5000).waitUntilSucceeds`multihost status | grep -q ${says}`
        await hostB.within(5000)
          .waitUntilSucceeds`journalctl -u multihost --no-pager -n 200 | grep -q ${says}`
        const said = await hostB.fail`timeout 5 docker network create -d vxlan --ipam-driver vxlan refused`
        // A new container needs no answer of the store: its host tells the others.
        await hostB.succeed`docker run --rm --network secured debian:13 ping -c1 -W2 ${one.address}`
        expect(said).toContain(says)
        expect(said).toMatch(/give the driver a Consul token|--kv-ca-file must be|consul tls cert create/)
        await one.succeed`ping -c1 -W1 ${two.address}`
        await two.succeed`ping -c1 -W1 ${one.address}`
      }
      await hostB.within(5000).waitUntilSucceeds`multihost status | grep -q 'no problems'`
      await hostB.waitUntilSucceeds`docker run --rm --network secured debian:13 ping -c1 -W1 ${one.address}`
    },
  )
}
