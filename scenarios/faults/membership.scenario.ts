/**
 * `multihost leave` and `multihost join`: a host leaves its cluster and nothing of it stays, on the host or
 * in the store; it joins again and its containers are reached by name.
 */
import { expect } from 'vitest'
import { consulBinary } from '../../provision/images/consul.ts'
import { atEnd } from '../kit/at-end.ts'
import { convergesWithinMs } from '../kit/converged.ts'
import type { Host } from '../kit/host.ts'
import { sharedNetwork } from '../kit/network.ts'
import { scenario, sendFile } from '../kit/scenario.ts'
import { keysNaming } from '../kit/store.ts'
import { inTurn } from '../kit/together.ts'

const optionsFile = '/etc/default/docker'
const state = '/var/lib/multihost'
/** Docker's own client: the wrapper of the dialect asks the driver. */
const vxlanNetworks = '/usr/bin/docker network ls -q --filter driver=vxlan'

/** The words of `multihost join` that make the host what it is. */
async function joinWords(host: Host): Promise<string[]> {
  const options = await host.succeed`sh -c ${`. ${optionsFile}; echo $MULTIHOST_OPTS`}`
  const [store = '', ...others] = options.split(' ')
  return [store.replace('--kv-store=', ''), ...others]
}

/** Everything of the driver's on the host, one line each: links, namespaces, tables, addresses, files, the unit. */
async function traces(host: Host): Promise<string[]> {
  const looks = [
    'ip -br link | awk \'/^(vxc|mhprobe)/ { print "link", $1 }\'',
    'for file in /var/run/docker/netns/*; do nsenter --net=$file ip link show lo 2>/dev/null | grep -q "alias multihost" && echo namespace $file; done',
    "nft list tables | sed -n 's/^table.* multihost/& table/p'",
    'ip -br address show lo | grep -o "169[.]254[.][0-9.]*"',
    `ls -A ${state} /run/multihost 2>/dev/null`,
    'ls /run/docker/plugins | grep vxlan',
    `grep MULTIHOST_OPTS ${optionsFile}`,
    'systemctl is-enabled multihost | grep -x enabled',
    'systemctl is-active multihost | grep -x active',
    vxlanNetworks,
  ]
  const found = await host.succeed`sh -c ${`${looks.join('; ')}; true`}`
  return found.split('\n').filter(Boolean)
}

scenario(
  'a host leaves and nothing of it stays; it joins again, and the first ping is by name',
  async ({ hostA, hostB, consulServer }) => {
    const words = await joinWords(hostB)
    const file = await hostB.succeed`cat ${optionsFile}`
    await using network = await sharedNetwork([hostB, hostA], 'leaving')
    {
      await using _stopped = await hostB.run({ name: 'two', network: network.name })
      await hostB.succeed`docker stop -t 0 two`
      expect(await hostB.fail`multihost leave`).toMatch(/two on leaving; remove or disconnect them/)
      expect(await hostB.succeed`multihost status`).toContain('no problems')
    }
    expect(await traces(hostB)).not.toEqual([])

    await using _member = atEnd(() => hostB.succeed`multihost join ${words}`)
    expect(await hostB.succeed`multihost leave`).toContain(`${hostB.name}, is out of the cluster`)
    expect(await traces(hostB)).toEqual([])
    expect(await keysNaming(consulServer, hostB)).toEqual([])
    expect(await hostB.succeed`multihost leave`).toContain('a member of no cluster')
    await hostB.succeed`docker run --rm --network none debian:13 true`
    // What the other host has stays there.
    await using one = await hostA.run({ name: 'one', network: network.name })
    expect(await hostA.succeed`multihost host ls --json | jq -r ${'.[].name'}`).not.toContain(hostB.name)

    expect(await hostB.fail`multihost join consul://192.168.33.250:8500 ${words.slice(1)}`).toMatch(
      /missing +store .*does not answer/,
    )
    const taken = words.filter((word) => !word.startsWith('--host-name'))
    expect(await hostB.fail`multihost join ${taken} --host-name=${hostA.name}`).toMatch(
      new RegExp(`missing +host name +another live host is called ${hostA.name}`),
    )
    expect(await traces(hostB)).toEqual([])

    expect(await hostB.succeed`multihost join ${words}`).toMatch(
      new RegExp(`is a member: ${hostB.name}[^]*ok +tunnels +${hostA.name} .* answers through the tunnel`),
    )
    expect(await hostB.succeed`cat ${optionsFile}`).toBe(file)
    await hostB.within(convergesWithinMs).waitUntilSucceeds`docker network inspect leaving`
    await using two = await hostB.run({ name: 'two', network: network.name })
    await two.succeed`ping -c1 -W1 ${one.name}`
    await one.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 ${two.name}`
  },
)

scenario(
  'a repeated join changes nothing, another store is refused, and a killed join goes on',
  async ({ hostB }) => {
    const words = await joinWords(hostB)
    const started = () => hostB.succeed`systemctl show -p ExecMainStartTimestampMonotonic --value multihost`
    const before = await started()
    expect(await hostB.succeed`multihost join ${words}`).toContain('a member already')
    const other = hostB.fail`multihost join consul://192.168.33.250:8500 ${words.slice(1)}`
    expect(await other).toMatch(/is a member of the cluster at .*, and not of the one at .*192\.168\.33\.250/)
    expect(await started()).toBe(before)

    {
      await using _member = atEnd(() => hostB.succeed`multihost join ${words}`)
      await hostB.succeed`multihost leave`
      const codes: number[] = []
      for (const killedAfter of ['0.6', '1.2', '2'])
        codes.push((await hostB.run`timeout -s KILL ${killedAfter} multihost join ${words}`).code)
      expect(codes, 'exit codes; 137 of a join that was killed').toContain(137)
    }
    await hostB.within(convergesWithinMs).waitUntilSucceeds`multihost status | grep -q 'no problems'`
    await hostB.succeed`systemctl is-enabled multihost`
  },
)

/** Of the driver, without the store and the interface. */
const isOther = (word: string) => !/^--(kv-|bind-interface)/.test(word)
const settings = '/etc/multihost'
const consulUnit = 'multihost-consul.service'

scenario(
  'init begins a cluster with a Consul of its own; another host joins it by the line that init prints',
  async ({ hostA, hostB }) => {
    const words = new Map([hostA, hostB].map((host) => [host, joinWords(host)]))
    const others = (await joinWords(hostB)).slice(1).filter(isOther)
    const program = '/var/tmp/consul'
    const init = [`--consul-from=${program}`, '--bind-interface=eth1', ...others]
    await sendFile(hostB, await consulBinary(), program, '0755')
    await using _members = atEnd(() =>
      inTurn(words, async ([host, before]) => {
        await host.run`multihost leave --force`
        await host.run`sh -c ${`systemctl disable --now ${consulUnit}; rm -rf /etc/systemd/system/${consulUnit} ${settings}/consul* /var/lib/multihost-consul /usr/local/lib/multihost-consul ${program}; systemctl daemon-reload`}`
        await host.succeed`multihost join ${await before}`
      }),
    )
    expect(await hostB.fail`multihost init ${init}`).toMatch(/is a member of the cluster at/)
    for (const host of [hostA, hostB]) await host.succeed`multihost leave`
    const wrong = ['--consul-from=/bin/true', ...init.slice(1)]
    expect(await hostB.fail`multihost init ${wrong}`).toContain('is not Consul')
    expect(await traces(hostB)).toEqual([])

    const said = await hostB.succeed`multihost init ${init}`
    const line = /^ {2}multihost join (.+)$/m.exec(said)?.[1] ?? ''
    for (const file of ['consul-ca.pem', 'consul-token']) {
      const text = await hostB.succeed`cat ${`${settings}/${file}`}`
      await hostA.succeed`umask 077; mkdir -p ${settings}; echo ${text} > ${`${settings}/${file}`}`
    }
    await hostA.succeed`multihost join ${line.split(' ')} ${others}`
    await using network = await sharedNetwork([hostB, hostA], 'begun')
    await using one = await hostA.run({ name: 'one', network: network.name })
    await using two = await hostB.run({ name: 'two', network: network.name })
    await one.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 two`
    await two.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 one`

    const started = () =>
      hostB.succeed`systemctl show -p ExecMainStartTimestampMonotonic --value ${consulUnit} multihost`
    const before = await started()
    expect(await hostB.succeed`multihost init ${init}`).toContain('a member already')
    expect(await started()).toBe(before)
    await two.succeed`ping -c1 -W1 one`
    await hostB.within(convergesWithinMs).waitUntilSucceeds`multihost status | grep -q 'no problems'`
  },
)

scenario(
  'leave --force disconnects containers and goes without Consul; another host removes the records',
  async ({ hostA, hostB, consulServer, faults }) => {
    const words = await joinWords(hostB)
    await using network = await sharedNetwork([hostA, hostB], 'forced')
    await using one = await hostA.run({ name: 'one', network: network.name })
    await using two = await hostB.run({ name: 'two', network: network.name })
    await two.waitUntilSucceeds`grep -q one /etc/hosts`
    {
      await using _member = atEnd(() => hostB.succeed`multihost join ${words}`)
      {
        await using _away = await faults.partition(hostB, consulServer)
        expect(
          await hostB.fail`sh -c ${'/usr/bin/docker network disconnect -f forced two; multihost leave'}`,
        ).toMatch(/records cannot be removed: .*--force/)
        await hostB.succeed`/usr/bin/docker network connect forced two`
        const said = await hostB.succeed`multihost leave --force`
        expect(said).toContain('container two was disconnected from network forced')
        expect(said).toContain(`multihost host rm ${hostB.name}`)
        expect(await traces(hostB)).toEqual([])
        await two.succeed`! grep -q one /etc/hosts && ! grep -q multihost /etc/hosts`
      }
      await hostA.within(60_000).waitUntilSucceeds`multihost host rm ${hostB.name}`
      await one.waitUntilSucceeds`! grep -q two /etc/hosts`
    }
    await hostB.within(convergesWithinMs).waitUntilSucceeds`docker network connect forced two`
    await one.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 two`
  },
)
