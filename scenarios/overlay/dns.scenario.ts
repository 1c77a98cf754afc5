/**
 * DNS: the engine's DNS server asks the driver's for names that it does not know. The driver's server
 * forwards names that are not the cluster's.
 */
import { expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import { convergesWithinMs } from '../kit/converged.ts'
import type { Container, ContainerOptions, Host } from '../kit/host.ts'
import { sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'

/** Starts a container that resolves names by DNS alone, without its hosts file. */
async function dnsOnly(host: Host, options: ContainerOptions): Promise<Container> {
  await host.succeed`echo 'hosts: dns' > /tmp/nsswitch`
  const args = [...(options.args ?? []), '-v', '/tmp/nsswitch:/etc/nsswitch.conf:ro']
  return host.run({ ...options, args })
}

/** Below the 4 s that the engine waits for a server, and the 5 s of the container's own resolver. */
const deniedWithinS = 3

const addressesOf = async (container: Container, name: string): Promise<string[]> =>
  (await container.succeed`getent ahostsv4 ${name}`)
    .split('\n')
    .flatMap((line) => /^(\S+) +STREAM/.exec(line)?.[1] ?? [])

scenario(
  'a container on another host is found by NAME, NAME.NETWORK, alias and address',
  async ({ hostA, hostB }) => {
    await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
    await using asker = await dnsOnly(hostA, { name: 'asker', network: foobar.name })
    await using web = await hostB.run({ name: 'web', network: foobar.name, args: ['--network-alias', 'www'] })
    for (const name of ['web', 'WEB.foobar', 'www', 'www.foobar']) {
      await asker.within(convergesWithinMs).waitUntilSucceeds`getent hosts ${name}`
      expect(await addressesOf(asker, name)).toEqual([web.address])
    }
    expect(await asker.succeed`getent hosts ${web.address}`).toMatch(/ web\.foobar$/)
    await hostB.succeed`docker stop -t0 web`
    await asker.within(convergesWithinMs).waitUntilSucceeds`! getent hosts web.foobar`
  },
)

scenario('an alias of several containers resolves to all their addresses', async ({ hostA, hostB }) => {
  await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
  await using asker = await dnsOnly(hostA, { name: 'asker', network: foobar.name })
  const args = ['--network-alias', 'pool']
  await using one = await hostB.run({ name: 'one', network: foobar.name, args })
  await using two = await hostB.run({ name: 'two', network: foobar.name, args })
  // A container's aliases are known when it runs; its name is known before.
  await asker.within(convergesWithinMs)
    .waitUntilSucceeds`[ $(getent ahostsv4 pool | cut -d ' ' -f 1 | sort -u | wc -l) = 2 ]`
  expect((await addressesOf(asker, 'pool')).sort()).toEqual([one.address, two.address].sort())
})

scenario('a name resolves to its IPv6 address', async ({ hostA, hostB }) => {
  await using dual = await sharedNetwork([hostA, hostB], 'dual', ['--ipv6', '--subnet', 'fd00:77::/64'])
  await using asker = await dnsOnly(hostA, { name: 'asker', network: dual.name })
  await using web = await hostB.run({ name: 'web', network: dual.name })
  const v6 =
    await hostB.succeed`docker inspect -f ${'{{.NetworkSettings.Networks.dual.GlobalIPv6Address}}'} ${web.id}`
  expect(v6).toMatch(/^fd00:77::/)
  await asker.within(convergesWithinMs).waitUntilSucceeds`getent ahostsv6 web.dual | grep -q ${v6}`
})

scenario(
  'a container with --dns of its own knows the short ids of other hosts’ containers',
  async ({ hostA, hostB }) => {
    await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
    await using web = await hostB.run({ name: 'web', network: foobar.name })
    const id = web.id.slice(0, 12)
    for (const server of ['192.0.2.1', '169.254.255.53']) {
      await using asker = await hostA.run({ name: 'asker', network: foobar.name, args: ['--dns', server] })
      await asker.within(convergesWithinMs)
        .waitUntilSucceeds`getent ahostsv4 ${id}.foobar | grep -q ${`^${web.address} `}`
      const lines = await asker.succeed`grep -c ${id} /etc/hosts || true`
      expect(lines, `in the hosts file, with --dns ${server}`).toBe(server === '192.0.2.1' ? '2' : '0')
    }
  },
)

scenario(
  'a firewall of the host that drops questions is named, until it lets one in',
  async ({ hostA, hostB }) => {
    await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
    await using asker = await dnsOnly(hostA, { name: 'asker', network: foobar.name })
    await using _web = await hostB.run({ name: 'web', network: foobar.name })
    const wall = ['INPUT', '-d', '169.254.255.53', '-p', 'udp', '--dport', '61053', '-j', 'DROP']
    const named = 'questions for names do not arrive at 169.254.255.53:61053'
    await asker.waitUntilSucceeds`getent hosts web.foobar`
    await hostA.succeed`iptables -I ${wall}`
    {
      await using _open = atEnd(() => hostA.succeed`iptables -D ${wall}`)
      await asker.succeed`(while :; do getent hosts web.foobar; sleep 1; done) > /dev/null 2>&1 &`
      await hostA.within(40_000).waitUntilSucceeds`multihost status | grep -F ${named}`
    }
    await hostA.within(40_000).waitUntilSucceeds`multihost status | grep ${'^no problems'}`
  },
)

scenario('a container resolves the names of its own networks alone', async ({ hostA, hostB }) => {
  await using one = await sharedNetwork([hostA, hostB], 'one')
  await using two = await sharedNetwork([hostA, hostB], 'two')
  await using asker = await dnsOnly(hostA, { name: 'asker', network: one.name })
  await using plain = await dnsOnly(hostA, { name: 'plain' })
  await using friend = await hostB.run({ name: 'friend', network: one.name })
  await using secret = await hostB.run({ name: 'secret', network: two.name })
  await asker.within(convergesWithinMs).waitUntilSucceeds`getent hosts ${friend.name}`
  for (const name of ['secret', 'secret.two', secret.address]) await asker.fail`getent hosts ${name}`
  for (const name of ['friend', 'friend.one', 'secret.two']) await plain.fail`getent hosts ${name}`
  await hostA.succeed`docker network connect two asker`
  await asker.within(convergesWithinMs).waitUntilSucceeds`getent hosts secret.two`
})

scenario('an unknown name is denied at once, on a machine without a resolver', async ({ hostA, hostB }) => {
  await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
  await using asker = await dnsOnly(hostA, { name: 'asker', network: foobar.name })
  for (const name of ['absent', 'absent.foobar', 'example.com', '172.21.200.200']) {
    await asker.fail`timeout ${deniedWithinS} getent hosts ${name} || { [ $? = 124 ] && echo too slow && exit 0; exit 1; }`
  }
})

scenario(
  'a name outside of the cluster is resolved by the machine’s resolvers',
  async ({ consulServer, hostA, hostB }) => {
    await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
    await using asker = await dnsOnly(hostA, { name: 'asker', network: foobar.name })
    // A resolver that copies the question and answers with one address.
    const script = `const s=require('dgram').createSocket('udp4');s.on('message',(q,r)=>{let e=12;while(q[e])e+=q[e]+1;e+=5;const a=Buffer.concat([q.subarray(0,e),Buffer.from('c00c00010001000000050004c0000201','hex')]);a[2]|=128;a[3]=128;a[7]=1;a[9]=0;a[11]=0;s.send(a,r.port,r.address)});s.bind(53,'${consulServer.address}')`
    await consulServer.succeed`systemd-run -q --unit scenario-resolver node -e ${script}`
    await using _resolver = atEnd(() => consulServer.succeed`systemctl stop scenario-resolver`)
    await consulServer.waitUntilSucceeds`ss -Huln sport = :53 | grep :53`
    await using _servers = atEnd(() => hostA.succeed`cat /tmp/resolv.conf > /etc/resolv.conf`)
    await hostA.succeed`cp /etc/resolv.conf /tmp/resolv.conf && echo nameserver ${consulServer.address} > /etc/resolv.conf`
    await asker.within(convergesWithinMs).waitUntilSucceeds`getent ahostsv4 example.com | grep -q 192.0.2.1`
  },
)

/** Asks for web.foobar A, and prints the RCODE: the last four bits of the answer's fourth byte. */
const askFor = (address: string): string => {
  const question = '000101000001000000000000037765620666 6f6f62617200000100 01'.replaceAll(' ', '')
  return `const s=require('dgram').createSocket('udp4');s.on('message',(m)=>{console.log(m[3]&15);process.exit()});s.send(Buffer.from('${question}','hex'),53,'${address}');setTimeout(()=>process.exit(1),3000)`
}
/** Where the driver answers on every host. */
const dns = '169.254.255.53'

scenario('a query from another machine is refused', async ({ consulServer, hostA, hostB }) => {
  await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
  await using _web = await hostA.run({ name: 'web', network: foobar.name })
  await hostA.within(convergesWithinMs).waitUntilSucceeds`[ "$(node -e ${askFor(dns)})" = 0 ]`
  await hostB.fail`node -e ${askFor(hostA.address)}`
  await consulServer.succeed`ip route add ${dns} via ${hostA.address}`
  await using _route = atEnd(() => consulServer.succeed`ip route del ${dns}`)
  expect(await consulServer.succeed`node -e ${askFor(dns)}`).toBe('5')
})

scenario(
  'port 53 of the host is free: a container publishes it, a program listens on it, and names resolve',
  async ({ hostA, hostB }) => {
    await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
    await using _web = await hostB.run({ name: 'web', network: foobar.name })
    const publish = ['-p', '53:53/udp', '-p', '53:53/tcp']
    await using asker = await dnsOnly(hostA, { name: 'asker', network: foobar.name })
    {
      await using _resolver = await hostA.run({ name: 'resolver', network: 'bridge', args: publish })
      await asker.within(convergesWithinMs).waitUntilSucceeds`getent hosts web.foobar`
    }
    {
      await using _resolver = await hostA.run({ name: 'resolver', network: foobar.name, args: publish })
      await asker.succeed`getent hosts web.foobar`
    }
    const server = `const s=require('dgram').createSocket('udp4');s.on('message',(q,r)=>{q[2]|=128;q[3]=4;s.send(q,r.port,r.address)});s.bind(53)`
    await hostA.succeed`systemd-run -q --unit scenario-dns node -e ${server}`
    {
      await using _server = atEnd(() => hostA.succeed`systemctl stop scenario-dns`)
      await hostB.waitUntilSucceeds`[ "$(node -e ${askFor(hostA.address)})" = 4 ]`
      await asker.succeed`getent hosts web.foobar`
    }
    // A firewall that is loaded anew takes all rules away.
    await hostA.succeed`nft delete table ip multihost_dns && ip address del ${`${dns}/32`} dev lo`
    await asker.within(8000).waitUntilSucceeds`getent hosts web.foobar`
  },
)

scenario('a container that is locked holds up no other container’s names', async ({ hostA, hostB }) => {
  await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
  await using _stuck = await hostA.run({ name: 'stuck', network: foobar.name })
  await using asker = await dnsOnly(hostA, { name: 'asker', network: foobar.name })
  // The engine holds the container's lock until the archive is read.
  await hostA.succeed`systemd-run -q --unit scenario-cp sh -c ${'docker cp stuck:/usr - | sleep 60'}`
  await using _archive = atEnd(() => hostA.succeed`systemctl stop scenario-cp`)
  await hostA.waitUntilSucceeds`! timeout 3 docker inspect stuck`
  await hostA.succeed`systemctl restart multihost`
  await using reader = await hostA.run({ name: 'reader', network: foobar.name })
  await using _web = await hostB.run({ name: 'web', network: foobar.name })
  await asker.within(convergesWithinMs).waitUntilSucceeds`getent hosts web.foobar`
  await reader.within(convergesWithinMs).waitUntilSucceeds`grep -q web.foobar /etc/hosts`
  await asker.fail`timeout ${deniedWithinS} getent hosts example.com || { [ $? = 124 ] && exit 0; exit 1; }`
})

scenario(
  'a network with more endpoints than --hosts-file-limit is resolved by DNS alone, and status says so',
  async ({ hostA, hostB }) => {
    await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
    await using asker = await hostA.run({ name: 'asker', network: foobar.name })
    await using web = await hostB.run({ name: 'web', network: foobar.name })
    await asker.within(convergesWithinMs).waitUntilSucceeds`grep -q web.foobar /etc/hosts`
    await hostA.succeed`cp /etc/default/docker /tmp/docker-options && sed -i 's/--dns-listen/--hosts-file-limit=1 --dns-listen/' /etc/default/docker && systemctl restart multihost`
    {
      await using _options = atEnd(
        () => hostA.succeed`cat /tmp/docker-options > /etc/default/docker && systemctl restart multihost`,
      )
      await asker.within(convergesWithinMs).waitUntilSucceeds`! grep -q multihost /etc/hosts`
      expect(await asker.succeed`getent hosts web.foobar`).toContain(web.address)
      expect(await hostA.succeed`multihost status`).toContain(
        'network foobar has more than 1 endpoints: names by DNS alone',
      )
    }
    await asker.within(convergesWithinMs).waitUntilSucceeds`grep -q web.foobar /etc/hosts`
  },
)
