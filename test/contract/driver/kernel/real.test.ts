import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import type { Datapath, Op } from '../../../../driver/core/datapath/datapath.ts'
import { plan } from '../../../../driver/core/datapath/plan.ts'
import { realKernel } from '../../../../driver/kernel/real.ts'
import { datapath, peer, veth } from '../../../fixtures/datapath.sample.ts'
import { type Bench, kernelContract } from '../../../fixtures/kernel-contract.ts'
import { readableLog } from '../../../fixtures/log.ts'
import { isRoot, type Namespaces, namespaces, warnWhenNotRoot } from '../../../fixtures/namespaces.ts'
import { proven } from '../../../fixtures/proof.ts'

warnWhenNotRoot()

type RealBench = Bench & { spaces: Namespaces; host: string }

async function open(): Promise<RealBench> {
  const spaces = namespaces()
  const host = spaces.add('host')
  spaces.ip(
    host,
    `link add name eth1 mtu 1500 type veth peer name far
     address add 192.168.33.11/24 dev eth1
     address add fd00:33::11/64 dev eth1 nodad
     link set far up
     link set eth1 up
     route add 10.9.0.0/16 via 192.168.33.1
     route add default via 192.168.33.1`,
  )
  const kernel = realKernel({ folder: spaces.folder, hostNamespace: host })
  return {
    spaces,
    host,
    kernel,
    namespace: (digit) => `${spaces.folder}/${digit.repeat(12)}`,
    foreign: async (digit) => void spaces.add(digit.repeat(12)),
    async [Symbol.asyncDispose]() {
      await kernel.close()
      spaces[Symbol.dispose]()
    },
  }
}

const withNft = test.skipIf(spawnSync('sh', ['-c', 'command -v nft']).status !== 0)
const hooked = '{ type filter hook input priority 0; policy drop; }'

describe.skipIf(!isRoot)('the real kernel', () => {
  kernelContract(open)

  test('the tunnel’s socket stays in the host’s namespace', async () => {
    await using bench = await open()
    await bench.kernel.apply(proven(everything(bench)))
    expect(bench.spaces.run(bench.host, 'ss', '-uln').stdout).toContain(':4789')
    expect(bench.spaces.run(bench.namespace('a'), 'ss', '-uln').stdout).not.toContain(':4789')
  })

  withNft('with another VTEP, frames to hosts that were known before come from it, too', async () => {
    await using bench = await open()
    const { kernel, spaces, host } = bench
    const namespace = bench.namespace('a')
    const far = spaces.add('far')
    spaces.ip(host, `link set far netns ${far}\naddress add 192.168.33.111/24 dev eth1`)
    spaces.ip(far, 'address add 192.168.33.12/24 dev far\nlink set far up')
    const nft = (...args: string[]) => spaces.run(far, 'nft', ...args).stdout
    nft('add', 'table', 'inet', 'seen')
    nft('add', 'chain', 'inet', 'seen', 'from', '{ type filter hook prerouting priority 0; }')
    for (const address of ['192.168.33.11', '192.168.33.111'])
      nft('add', 'rule', 'inet', 'seen', 'from', `ip saddr ${address} udp dport 4789 counter`)
    const seen = () =>
      [...nft('list', 'table', 'inet', 'seen').matchAll(/packets (\d+)/g)].map(([, count]) => Number(count))
    const other = peer(2, '192.168.33.12')
    const at = async (local: string): Promise<void> => {
      const vxlan = { ...datapath().vxlan, local }
      const want = datapath({ namespace, vxlan, peers: [other] })
      const have = await kernel.observe(namespace)
      await kernel.apply(proven(plan(have, want).ops))
    }
    await at('192.168.33.11')
    spaces.ip(
      namespace,
      `address add 10.9.9.9/24 dev br0\nneigh add 10.9.9.8 lladdr ${other.mac} dev br0 nud permanent`,
    )
    // Each processor has a cache of its own.
    const onOneProcessor = ['taskset', '-c', '0']
    const send = () =>
      spaces.run(
        namespace,
        ...onOneProcessor,
        'bash',
        '-c',
        'for i in 1 2; do echo > /dev/udp/10.9.9.8/9; done',
      )
    send()
    expect(seen()).toEqual([2, 0])
    await at('192.168.33.111')
    send()
    expect(seen()).toEqual([2, 2])
  })

  test('a namespace that was unmounted is mounted again while a watch is in it', async () => {
    await using bench = await open()
    const { kernel, spaces } = bench
    const namespace = bench.namespace('a')
    await kernel.apply(proven(everything(bench)))
    const before = await kernel.observe(namespace)
    let told = 0
    const watch = kernel.watch(namespace, () => {
      told += 1
    })
    await expect
      .poll(() => {
        spaces.ip(namespace, 'link add probe type veth peer name far\nlink del probe')
        return told
      })
      .toBeGreaterThan(0)
    execFileSync('umount', [namespace])
    rmSync(namespace)
    expect(await kernel.observe(namespace)).toBeUndefined()
    expect(await kernel.remount(namespace, watch)).toBe(true)
    expect(await kernel.observe(namespace)).toEqual(before)
    execFileSync('umount', [namespace])
    await watch.close()
    expect(await kernel.remount(namespace, watch)).toBe(false)
    expect(await kernel.observe(namespace)).toBeUndefined()
  })

  test('the container’s end follows the MTU in the container’s namespace, under the name that Docker gave it', async () => {
    await using bench = await open()
    await bench.kernel.apply(proven(everything(bench)))
    const sandbox = bench.spaces.add('5'.repeat(12))
    bench.spaces.ip(bench.host, `link set vxc11111111 netns ${bench.spaces.folder}/${'5'.repeat(12)}`)
    bench.spaces.ip(sandbox, 'link set vxc11111111 name eth0')
    const mtuOf = (space: string, name: string): number =>
      JSON.parse(bench.spaces.run(space, 'ip', '-j', 'link', 'show', name).stdout)[0].mtu
    for (const mtuBytes of [1350, 1450]) {
      const namespace = bench.namespace('a')
      await bench.kernel.apply([{ op: 'veth-mtu', namespace, veths: [veth('1')], mtuBytes }])
      expect([mtuOf(sandbox, 'eth0'), mtuOf(namespace, 'veth11111111')]).toEqual([mtuBytes, mtuBytes])
    }
  })

  test('the container’s end follows the MTU where the engine keeps its namespaces in another folder', async () => {
    await using bench = await open()
    using far = await farContainer(bench)
    await bench.kernel.apply([far.toMtu(1350)])
    expect(far.mtu()).toBe(1350)
  })

  test('the container’s end follows the MTU when the process that showed its namespace ends meanwhile', async () => {
    await using bench = await open()
    using far = await farContainer(bench)
    await using shim = entering(
      bench,
      `case "$*" in *-batch*) kill ${far.pid}; while test -e /proc/${far.pid}/ns/net; do :; done;; esac`,
    )
    await shim.kernel.apply([far.toMtu(1350)])
    expect(far.mtu()).toBe(1350)
  })

  test('a container’s namespace that goes while its end gets the MTU keeps no port from getting it', async () => {
    await using bench = await open()
    await bench.kernel.apply(proven(everything(bench)))
    const sandbox = bench.spaces.add('5'.repeat(12))
    bench.spaces.ip(bench.host, `link set vxc11111111 netns ${sandbox}`)
    const namespace = bench.namespace('a')
    await using shim = entering(
      bench,
      `case "$*" in *${'5'.repeat(12)}*-batch*) umount -l ${sandbox}; rm ${sandbox};; esac`,
    )
    await shim.kernel.apply([{ op: 'veth-mtu', namespace, veths: [veth('1')], mtuBytes: 1350 }])
    expect(await bench.kernel.namespaces()).toEqual([namespace])
  })

  test('a container’s end that is nowhere is looked for once in each namespace, and is logged', async () => {
    await using bench = await open()
    using elsewhere = namespaces()
    const host = elsewhere.add('host')
    using _inHost = await processIn(host)
    using far = await farContainer(bench)
    const lost = { ...far.own, mac: '02:42:ac:15:66:66' }
    await using shim = entering({ ...bench, host }, 'stat -Lc %i "$(echo "$1" | cut -d= -f2)" >> "$entered"')
    await shim.kernel.apply([{ ...far.toMtu(1350), veths: [lost] }])
    const inode = String(statSync(host).ino)
    expect(shim.entered().filter((it) => it === inode)).toHaveLength(1)
    const fields = { namespace: bench.namespace('a'), ports: ['veth77777777'], mtuBytes: 1350 }
    const message = 'container ends were not found, and keep their MTU'
    expect(shim.entries).toEqual([{ level: 'warn', message, fields }])
  })

  withNft(
    'an address of the driver’s own leads to its port, and is restored when a part of it is gone',
    async () => {
      await using bench = await open()
      const of = { address: '169.254.255.53', port: 53, to: 61_053 }
      const state = () =>
        bench.spaces.run(bench.host, 'nft', 'list', 'ruleset').stdout +
        bench.spaces.run(bench.host, 'ip', 'address', 'show', 'lo').stdout
      await bench.kernel.redirect(of)
      const first = state()
      expect(first).toContain('169.254.255.53/32 scope host lo')
      expect(
        first.match(/(udp|tcp) dport 53 counter packets 0 bytes 0 dnat to 169\.254\.255\.53:61053/g),
      ).toHaveLength(4)
      await bench.kernel.redirect(of)
      expect(state()).toBe(first)
      bench.spaces.run(bench.host, 'nft', 'flush', 'chain', 'ip', 'multihost_dns', 'output')
      bench.spaces.run(bench.host, 'ip', 'address', 'del', '169.254.255.53/32', 'dev', 'lo')
      await bench.kernel.redirect(of)
      expect(state()).toBe(first)
      await bench.kernel.removeRedirect(of)
      expect(state()).not.toMatch(/multihost|169\.254\.255\.53/)
      await bench.kernel.removeRedirect(of)
    },
  )

  withNft(
    'questions of containers are counted also when a firewall drops them, and the rules stay',
    async () => {
      await using bench = await open()
      const of = { address: '169.254.255.53', port: 53, to: 61_053 }
      expect(await bench.kernel.redirect(of)).toBe(0)
      const far = bench.spaces.add('far')
      bench.spaces.ip(bench.host, `link set far netns ${far}`)
      bench.spaces.ip(
        far,
        'address add 192.168.33.99/24 dev far\nlink set far up\nroute add default via 192.168.33.11',
      )
      const ask = (space: string) =>
        bench.spaces.run(space, 'bash', '-c', 'for i in 1 2 3; do echo > /dev/udp/169.254.255.53/53; done')
      ask(far)
      expect(await bench.kernel.redirect(of)).toBe(3)
      const nft = (...args: string[]) => bench.spaces.run(bench.host, 'nft', ...args)
      nft('add', 'table', 'ip', 'wall')
      nft('add', 'chain', 'ip', 'wall', 'input', '{ type filter hook input priority 0; policy drop; }')
      ask(far)
      ask(bench.host)
      expect(await bench.kernel.redirect(of), 'this host’s own are not counted').toBe(6)
      expect(await bench.kernel.redirect(of)).toBe(6)
    },
  )

  withNft('the filter lets the hosts of the cluster in, is repaired, and keeps its counters', async () => {
    await using bench = await open()
    const nft = (...args: string[]) => bench.spaces.run(bench.host, 'nft', ...args).stdout
    const filter = { vteps: ['192.168.33.11', '192.168.33.12', 'fd00:33::12'], ports: [4789], vnis: [0, 256] }
    const seen: unknown[] = []
    const keep = (wanted: typeof filter | undefined) =>
      bench.kernel.tunnelFilter((have) => {
        seen.push(have)
        return wanted
      })
    await keep(filter)
    await keep(filter)
    expect(seen).toEqual([undefined, filter])
    const rules = nft('list', 'table', 'inet', 'multihost')

    // Any rule with `ct` makes the kernel track.
    nft('add', 'table', 'inet', 'wall')
    nft('add', 'chain', 'inet', 'wall', 'input', '{ type filter hook input priority 0; }')
    nft('add', 'rule', 'inet', 'wall', 'input', 'ct', 'state', 'new', 'counter')
    const tracked = (space: string) => bench.spaces.run(space, 'cat', '/proc/net/nf_conntrack').stdout

    const far = bench.spaces.add('far')
    bench.spaces.ip(bench.host, `link set far netns ${far}`)
    /** From a machine on the same link: three VXLAN headers with the VNI. */
    const send = (from: string, vni: number, to = '192.168.33.11') => {
      const hex = vni.toString(16).padStart(6, '0')
      const header = `08000000${hex}00`.replace(/../g, (byte) => `\\x${byte}`)
      bench.spaces.ip(
        far,
        `address flush dev far\naddress add ${from}/24 dev far\nlink set far up\nroute add default via 192.168.33.11`,
      )
      const sending = `for i in 1 2 3; do printf '${header}' > /dev/udp/${to}/4789; done`
      expect(bench.spaces.run(far, 'bash', '-c', sending).stderr).toBe('')
    }
    send('192.168.33.99', 256)
    expect(await keep(filter)).toEqual({ arriving: 3, misrouted: 0, leaving: 0 })
    send('192.168.33.98', 4096)
    send('192.168.33.12', 256)
    expect(await keep(filter), 'another VNI is not judged, and a member is let in').toMatchObject({
      arriving: 3,
    })
    const toMember = `printf '\\x08\\x00\\x00\\x00\\x00\\x01\\x00\\x00' > /dev/udp/192.168.33.12/4789`
    expect(bench.spaces.run(bench.host, 'bash', '-c', toMember).stderr).toBe('')
    expect(tracked(bench.host), 'packets of another VNI are').toContain('192.168.33.98')
    expect(tracked(bench.host), 'and the tunnel’s are not').not.toContain('192.168.33.12')

    bench.spaces.ip(
      bench.host,
      'link add name eth2 type veth peer name beyond\naddress add 10.44.0.1/24 dev eth2\nlink set beyond up\nlink set eth2 up',
    )
    bench.spaces.run(bench.host, 'sysctl', '-w', 'net.ipv4.ip_forward=1')
    const routed = { ...filter, vteps: [...filter.vteps, '10.44.0.9'] }
    await keep(routed)
    send('192.168.33.12', 256, '10.44.0.9')
    expect(await keep(routed), 'a host may be the router of others').toEqual({
      arriving: 3,
      misrouted: 0,
      leaving: 0,
    })
    send('192.168.33.97', 256, '10.44.0.9')
    expect(await keep(filter), 'and not of what NAT would give its address').toEqual({
      arriving: 3,
      misrouted: 0,
      leaving: 3,
    })

    const beyond = bench.spaces.add('beyond')
    bench.spaces.ip(bench.host, `link set beyond netns ${beyond}`)
    bench.spaces.ip(
      beyond,
      'address add 192.168.33.12/32 dev beyond\nlink set beyond up\nroute add default dev beyond',
    )
    const astray = `for i in 1 2; do printf '\\x08\\x00\\x00\\x00\\x00\\x01\\x00\\x00' > /dev/udp/10.44.0.1/4789; done`
    expect(bench.spaces.run(beyond, 'bash', '-c', astray).stderr).toBe('')
    expect(await keep(filter), 'a host’s address by an interface that does not lead back').toEqual({
      arriving: 3,
      misrouted: 2,
      leaving: 3,
    })

    bench.spaces.ip(bench.host, 'address add 192.168.33.100/24 dev eth1')
    send('192.168.33.12', 256, '192.168.33.100')
    expect(await keep(filter), 'a host’s address, to an address that is not a VTEP').toMatchObject({
      arriving: 6,
    })

    nft('flush', 'chain', 'inet', 'multihost', 'judge')
    await keep(filter)
    const withoutCounts = (text: string) => text.replace(/packets \d+ bytes \d+/g, '')
    expect(withoutCounts(nft('list', 'table', 'inet', 'multihost'))).toBe(withoutCounts(rules))
    expect(await keep({ ...filter, vnis: [0] })).toMatchObject({ arriving: 6 })
    nft('delete', 'table', 'inet', 'multihost')
    nft('add', 'table', 'inet', 'multihost')
    nft('add', 'chain', 'inet', 'multihost', 'arriving', '{ type filter hook input priority 0; }')
    await keep(filter)
    expect(withoutCounts(nft('list', 'table', 'inet', 'multihost'))).toBe(withoutCounts(rules))
    await keep(undefined)
    expect(nft('list', 'tables')).toBe('table inet wall\n')
  })

  withNft.for<[string, string[]]>([
    ['a policy that drops all', ['chain', 'inet', 'multihost', 'arriving', '{ policy drop; }']],
    ['a dormant table', ['add', 'table', 'inet', 'multihost', '{ flags dormant; }']],
    ['a chain of a person’s', ['add', 'chain', 'inet', 'multihost', 'wall', hooked]],
  ])('a filter with the right rules is repaired: %s', async ([, damage]) => {
    await using bench = await open()
    const nft = (...args: string[]) => bench.spaces.run(bench.host, 'nft', ...args).stdout
    const filter = { vteps: ['192.168.33.11'], ports: [4789], vnis: [256] }
    const keep = () => bench.kernel.tunnelFilter(() => filter)
    await keep()
    const first = nft('list', 'ruleset')
    nft(...damage)
    expect(nft('list', 'ruleset')).not.toBe(first)
    await keep()
    expect(nft('list', 'ruleset')).toBe(first)
  })

  withNft.for<[string, string[]]>([
    ['a policy that drops all', ['chain', 'ip', 'multihost_dns', 'output', '{ policy drop; }']],
    ['a dormant table', ['add', 'table', 'ip', 'multihost_dns', '{ flags dormant; }']],
    [
      'a rule before them',
      ['insert', 'rule', 'ip', 'multihost_dns', 'output', 'udp', 'dport', '53', 'accept'],
    ],
  ])('a way to DNS with the right rules is repaired: %s', async ([, damage]) => {
    await using bench = await open()
    const nft = (...args: string[]) => bench.spaces.run(bench.host, 'nft', ...args).stdout
    const keep = () => bench.kernel.redirect({ address: '169.254.255.53', port: 53, to: 61_053 })
    await keep()
    const first = nft('list', 'ruleset')
    nft(...damage)
    expect(nft('list', 'ruleset')).not.toBe(first)
    await keep()
    expect(nft('list', 'ruleset')).toBe(first)
  })

  withNft('a packet whose first fragment ends before the VNI is refused', async () => {
    await using bench = await open()
    const filter = { vteps: ['192.168.33.11', 'fd00:33::11'], ports: [4789], vnis: [256] }
    const keep = () => bench.kernel.tunnelFilter(() => filter)
    await keep()
    const far = bench.spaces.add('far')
    bench.spaces.ip(bench.host, `link set far netns ${far}`)
    bench.spaces.ip(
      far,
      'address add 192.168.33.99/24 dev far\naddress add fd00:33::99/64 dev far nodad\nlink set far up',
    )
    // RFC 768 and RFC 7348: the header of UDP in the first fragment, that of VXLAN in the second.
    const [udp, vxlan] = ['1234 12b5 0010 0000', '0800 0000 0001 0000']
    const ip = (offset: string) => `4500 001c 0007 ${offset} 4011 0000 c0a8 2163 c0a8 210b`
    const ip6 = (offset: string) =>
      `6000 0000 0010 2c40 fd00 0033 0000 0000 0000 0000 0000 0099 fd00 0033 0000 0000 0000 0000 0000 0011 1100 ${offset} 0000 0007`
    const send = (family: string, to: string, ...packets: string[]) => {
      const sending = packets.map((hex) => `send $s, pack(q(H*), q(${hex.replaceAll(' ', '')})), 0, ${to}`)
      const script = `socket my $s, ${family}, SOCK_RAW, 255 or die $!; ${sending.join(' or die $!; ')} or die $!`
      expect(bench.spaces.run(far, 'perl', '-MSocket', '-e', script).stderr).toBe('')
    }
    send('AF_INET', 'pack_sockaddr_in(0, inet_aton(q(192.168.33.11)))', ip('2000') + udp, ip('0001') + vxlan)
    expect(await keep()).toMatchObject({ arriving: 1 })
    send(
      'AF_INET6',
      'pack_sockaddr_in6(0, Socket::inet_pton(AF_INET6, q(fd00:33::11)))',
      ip6('0001') + udp,
      ip6('0008') + vxlan,
    )
    expect(await keep()).toMatchObject({ arriving: 2 })
  })

  withNft(
    'a router’s word that a tunnel packet is too big is not invalid for the host’s firewall',
    async () => {
      await using bench = await open()
      const filter = { vteps: ['192.168.33.11', 'fd00:33::11'], ports: [4789, 4790], vnis: [0, 256] }
      const nft = (...args: string[]) => bench.spaces.run(bench.host, 'nft', ...args).stdout
      nft('add', 'table', 'inet', 'wall')
      nft('add', 'chain', 'inet', 'wall', 'input', '{ type filter hook input priority 0; }')
      for (const state of ['untracked', 'invalid'])
        nft('add', 'rule', 'inet', 'wall', 'input', 'icmp', 'type', '3', 'ct', 'state', state, 'counter')
      for (const state of ['untracked', 'invalid'])
        nft('add', 'rule', 'inet', 'wall', 'input', 'icmpv6', 'type', '2', 'ct', 'state', state, 'counter')
      const counted = () =>
        nft('list', 'table', 'inet', 'wall')
          .match(/(?<=packets )\d+/g)
          ?.map(Number)

      const far = bench.spaces.add('far')
      bench.spaces.ip(bench.host, `link set far netns ${far}`)
      bench.spaces.ip(
        far,
        'address add 192.168.33.99/24 dev far\naddress add fd00:33::99/64 dev far nodad\nlink set far up',
      )
      // RFC 792 and RFC 4443, of a tunnel packet with the port and the VNI. Perl's kernel writes ICMPv6's checksum.
      const tunnel = (port: string, vni: string) => `9000 ${port} 0010 0000 0800 0000 ${vni}00`
      const quoting = (port: string, vni: string) =>
        `4500 0024 0007 0000 4011 0000 c0a8 210b c0a8 210c ${tunnel(port, vni)}`
      const quoting6 = (port: string, vni: string) =>
        `6000 0000 0010 1140 fd00 0033 0000 0000 0000 0000 0000 0011 fd00 0033 0000 0000 0000 0000 0000 0012 ${tunnel(port, vni)}`
      const send = (port: string, vni: string) => {
        const pack = (hex: string) => `pack(q(H*), q(${hex.replaceAll(' ', '')}))`
        const script = [
          `sub sum { my $s = 0; $s += $_ for unpack(q(n*), $_[0]); $s = ($s & 65535) + ($s >> 16) for 1, 2; pack(q(n), ~$s & 65535) }`,
          `my $v4 = ${pack(`0304 0000 0000 0578 ${quoting(port, vni)}`)}; substr($v4, 2, 2) = sum($v4)`,
          `socket my $s, AF_INET, SOCK_RAW, 1 or die $!`,
          `send $s, $v4, 0, pack_sockaddr_in(0, inet_aton(q(192.168.33.11))) or die $!`,
          `socket my $t, AF_INET6, SOCK_RAW, 58 or die $!`,
          `send $t, ${pack(`0200 0000 0000 0578 ${quoting6(port, vni)}`)}, 0, pack_sockaddr_in6(0, Socket::inet_pton(AF_INET6, q(fd00:33::11))) or die $!`,
        ].join('; ')
        expect(bench.spaces.run(far, 'perl', '-MSocket', '-e', script).stderr).toBe('')
      }
      send('12b5', '000100')
      expect(counted(), 'without the filter').toEqual([0, 1, 0, 1])
      await bench.kernel.tunnelFilter(() => filter)
      send('12b5', '000100')
      send('12b6', '000000')
      expect(counted()).toEqual([2, 1, 2, 1])
      send('12b5', '001000')
      send('12b7', '000100')
      expect(counted(), 'of another VNI or port').toEqual([2, 3, 2, 3])
      const seen: unknown[] = []
      await bench.kernel.tunnelFilter((have) => {
        seen.push(have)
        return filter
      })
      expect(seen).toEqual([filter])
    },
  )

  withNft('changes of the driver’s own rules are told soon, and others’ are not', async () => {
    await using bench = await open()
    const nft = (...args: string[]) => bench.spaces.run(bench.host, 'nft', ...args)
    const filter = { vteps: ['192.168.33.11'], ports: [4789], vnis: [256] }
    const make = () => bench.kernel.tunnelFilter(() => filter)
    await make()
    let told = 0
    const making: Promise<unknown>[] = []
    const watch = bench.kernel.watchRules(() => {
      told++
      making.push(make())
    })
    // `nft monitor` does not say that it listens: its socket (protocol 12, netfilter) is of a group then.
    const sockets = () => bench.spaces.run(bench.host, 'cat', '/proc/net/netlink').stdout
    await expect.poll(sockets).toMatch(/^\S+ +12 +\d+ +(?!0+ )[0-9a-f]+ /m)
    nft('add', 'table', 'ip', 'wall')
    nft('add', 'chain', 'ip', 'wall', 'input', '{ type filter hook input priority 0; }')
    await delay(300)
    expect(told).toBe(0)
    nft('flush', 'ruleset')
    await expect.poll(() => nft('list', 'table', 'inet', 'multihost').code).toBe(0)
    await expect.poll(() => told, { message: 'the driver’s own change is told' }).toBe(2)
    await delay(1500)
    expect(told, 'and told once').toBe(2)
    await bench.kernel.redirect({ address: '169.254.255.53', port: 53, to: 61_053 })
    await expect.poll(() => told).toBe(3)
    nft('delete', 'table', 'ip', 'multihost_dns')
    await expect.poll(() => told).toBe(4)
    await watch.close()
    // Before its namespace goes.
    await Promise.all(making)
  })

  test('the container’s end lies in the host’s namespace, down, with its MAC and MTU', async () => {
    await using bench = await open()
    await bench.kernel.apply(proven(everything(bench)))
    const [link] = JSON.parse(bench.spaces.run(bench.host, 'ip', '-j', 'link', 'show', 'vxc11111111').stdout)
    expect(link).toMatchObject({ address: '02:42:ac:15:00:63', mtu: 1450, operstate: 'DOWN' })
  })

  test('devices make no IPv6 address of their own', async () => {
    await using bench = await open()
    await bench.kernel.apply(proven(everything(bench)))
    expect(
      bench.spaces.run(bench.namespace('a'), 'ip', '-6', 'address', 'show', 'scope', 'link').stdout,
    ).toBe('')
  })

  test('neighbours of IPv6 are entered where a machine disables IPv6 on its interfaces', async () => {
    await using bench = await open()
    const path = bench.namespace('a')
    const want: Datapath = {
      ...sample(bench),
      peers: [{ mac: '02:42:ac:15:00:07', vtep: '192.168.33.12', addresses: ['172.21.0.7', 'fd00:1::7'] }],
    }
    const disable = () =>
      bench.spaces.run(
        path,
        'sh',
        '-c',
        'for of in all default; do echo 1 > /proc/sys/net/ipv6/conf/$of/disable_ipv6; done',
      )
    const reach = async () => bench.kernel.apply(proven(plan(await bench.kernel.observe(path), want).ops))
    await bench.kernel.apply(proven(plan(undefined, want).ops.slice(0, 1)))
    disable()
    expect(await reach()).toEqual([])
    expect(plan(await bench.kernel.observe(path), want).ops).toEqual([])
    disable()
    expect(plan(await bench.kernel.observe(path), want).ops).toMatchObject([{ ip: 'fd00:1::7' }])
    expect(await reach()).toEqual([])
    expect(plan(await bench.kernel.observe(path), want).ops).toEqual([])
  })

  test('a network below IPv6’s smallest MTU is complete', async () => {
    await using bench = await open()
    const { vxlan, ...rest } = sample(bench)
    const small = { ...rest, vxlan: { ...vxlan, mtuBytes: 1200 } }
    await bench.kernel.apply(proven(plan(undefined, small).ops))
    expect(plan(await bench.kernel.observe(bench.namespace('a')), small).ops).toEqual([])
    const port = bench.spaces.run(bench.namespace('a'), 'bridge', '-d', 'link', 'show', 'dev', 'veth11111111')
    expect(port.stdout).toMatch(/learning off flood off/)
  })

  const port = 'veth11111111'
  test.for([
    ['bridge link set dev vxlan1 flood off', 'flood'],
    ['bridge link set dev vxlan1 bcast_flood off', 'bcast_flood'],
    ['bridge link set dev vxlan1 state 0', 'state'],
    ['ip link set vxlan1 type bridge_slave locked on', 'locked'],
    [`bridge link set dev vxlan1 isolated on; bridge link set dev ${port} isolated on`, 'isolated'],
    [`bridge link set dev ${port} mcast_flood off`, 'mcast_flood'],
    [`bridge link set dev ${port} learning on flood on`, 'learning'],
    ['ip link set br0 type bridge mcast_snooping 1'],
    [`bridge fdb replace ${peer(2).mac} dev ${port} master static`],
    [`bridge fdb replace ${peer(2).mac} dev ${port} master`],
    [`bridge fdb replace ${peer(2).mac} dev vxlan1 master`],
    [`bridge fdb replace ${veth('1').mac} dev ${port} master`],
  ] as const)('what no frame would pass is mended: %s', async ([damage, flag], { skip }) => {
    await using bench = await open()
    const path = bench.namespace('a')
    const want = sample(bench)
    await bench.kernel.apply(proven(everything(bench)))
    const printed = bench.spaces.run(path, 'ip', '-d', 'link', 'show', 'vxlan1').stdout
    skip(flag !== undefined && !printed.includes(` ${flag} `), `this ip prints no ${flag}`)
    // These go when their port leaves br0.
    for (const [device, mac] of [
      ['vxlan1', '02:00:00:00:00:01'],
      [port, '02:00:00:00:00:02'],
    ] as const)
      bench.spaces.run(path, 'bridge', 'fdb', 'add', mac, 'dev', device, 'master', 'static')
    const show = ['-d link show', 'fdb show'].map((it) => `bridge ${it}`).join('; ')
    const state = () =>
      bench.spaces
        .run(path, 'sh', '-c', `${show}; ip -d link show br0 | grep -o mcast_snooping..`)
        .stdout.split('\n')
        .sort()
    const first = state()
    expect(bench.spaces.run(path, 'sh', '-c', damage).stderr).toBe('')
    expect(state()).not.toEqual(first)
    await bench.kernel.apply(proven(plan(await bench.kernel.observe(path), want).ops))
    expect(state()).toEqual(first)
    expect(plan(await bench.kernel.observe(path), want).ops).toEqual([])
  })

  test('a port that a person disabled is told from one that has no carrier, or has just got it', async () => {
    await using bench = await open()
    const path = bench.namespace('a')
    await bench.kernel.apply(proven(everything(bench)))
    const found = async () => plan(await bench.kernel.observe(path), sample(bench)).reasons
    const state = () => bench.spaces.run(path, 'bridge', 'link', 'show', 'dev', port).stdout
    expect(state()).toContain('state disabled')
    expect(await found()).toEqual([])
    for (let n = 0; n < 6; n++) {
      bench.spaces.ip(bench.host, `link set vxc11111111 ${n % 2 === 0 ? 'up' : 'down'}`)
      expect(await found()).toEqual([])
    }
    bench.spaces.ip(bench.host, 'link set vxc11111111 up')
    await expect.poll(state).toContain('state forwarding')
    bench.spaces.run(path, 'bridge', 'link', 'set', 'dev', port, 'state', '0')
    expect(await found()).toEqual([`${port}: state disabled`])
    const { ops } = plan(await bench.kernel.observe(path), sample(bench))
    await bench.kernel.apply(proven(ops))
    expect(state()).toContain('state forwarding')
    bench.spaces.ip(bench.host, 'link set vxc11111111 down')
    await expect.poll(state).toContain('NO-CARRIER')
    expect(await bench.kernel.apply(proven(ops)), 'the carrier went meanwhile').toEqual([])
  })

  test('entries of others stay: the all-zero default and group entries', async () => {
    await using bench = await open()
    await bench.kernel.apply(proven(everything(bench)))
    const path = bench.namespace('a')
    bench.spaces.ip(
      path,
      'fdb append 00:00:00:00:00:00 dev vxlan1 dst 192.168.33.14 self permanent',
      'bridge',
    )
    expect(plan(await bench.kernel.observe(path), sample(bench)).ops).toEqual([])
  })

  test('with the entry of a peer goes what an earlier driver let br0 learn of its MAC', async () => {
    await using bench = await open()
    const path = bench.namespace('a')
    await bench.kernel.apply(proven(everything(bench)))
    const { mac } = peer(2)
    bench.spaces.ip(path, `fdb add ${mac} dev vxlan1 master static`, 'bridge')
    const vtep = '192.168.33.12'
    await bench.kernel.apply(proven([{ op: 'fdb-del', namespace: path, mac, vtep }]))
    expect(bench.spaces.run(path, 'bridge', 'fdb', 'show').stdout).not.toContain(mac)
  })

  test('a namespace without the mark is not removed', async () => {
    await using bench = await open()
    await bench.foreign('f')
    await expect(
      bench.kernel.apply(proven([{ op: 'namespace-del', namespace: bench.namespace('f') }])),
    ).rejects.toMatchObject({ code: 'kernel', message: expect.stringContaining('mark') })
    expect(await bench.kernel.observe(bench.namespace('f'))).toMatchObject({ marked: false })
  })

  test('the line that ended a batch without a number is found among the others', async () => {
    await using bench = await open()
    await bench.kernel.apply(proven(everything(bench)))
    const good = [2, 3, 4, 5].map((n) => neighbour(bench, `172.21.9.${n}`))
    const bad = neighbour(bench, '172.21.9.bad')
    const refusals = await bench.kernel.apply([...good, bad, ...good])
    expect(refusals).toEqual([
      { op: bad, words: expect.stringMatching(/any valid address is expected.*172\.21\.9\.bad/) },
    ])
  })

  test('a namespace made by a driver with private mounts is there for everybody, and is removed for everybody', () => {
    using spaces = namespaces()
    const path = `${spaces.folder}/${'a'.repeat(12)}`
    // what systemd gives a machine: mounts are shared, and a unit's copy follows
    execFileSync('mount', ['-t', 'tmpfs', 'multihost-test', spaces.folder])
    try {
      execFileSync('mount', ['--make-shared', spaces.folder])
      const done = privately(spaces.folder, { op: 'namespace-add', namespace: path })
      expect(done).toEqual({ marked: true, bridge: false, fdb: [], neighbours: [], ports: [], strays: [] })
      expect(spaces.run(path, 'ip', 'link', 'show', 'lo').code).toBe(0)
      expect(privately(spaces.folder, { op: 'namespace-del', namespace: path })).toBeNull()
      expect(readdirSync(spaces.folder)).toEqual([])
    } finally {
      spawnSync('umount', ['-l', path])
      execFileSync('umount', ['-l', spaces.folder])
    }
  })

  test('a container’s namespace with the driver’s alias on its loopback is not the driver’s', async () => {
    await using bench = await open()
    const { kernel, spaces } = bench
    const container = containerWithMark(bench)
    expect(await kernel.namespaces()).toEqual([])
    const removal = kernel.apply(proven([{ op: 'namespace-del', namespace: container }]))
    await expect(removal).rejects.toMatchObject({ code: 'kernel' })
    expect(spaces.run(container, 'ip', 'link', 'show', 'eth0').code).toBe(0)
  })

  test('a network’s namespace with a device of a person’s, and one that is new, are the driver’s', async () => {
    await using bench = await open()
    const { kernel, spaces, host } = bench
    await kernel.apply(proven(everything(bench)))
    spaces.ip(bench.namespace('a'), `link add name dump0 type veth peer name dump1 netns ${host}`)
    await kernel.apply([{ op: 'namespace-add', namespace: bench.namespace('b') }])
    expect(await kernel.namespaces()).toEqual([bench.namespace('a'), bench.namespace('b')])
  })

  test('a namespace with ports, whose br0 and vxlan1 a person has deleted, is the driver’s and is removed', async () => {
    await using bench = await open()
    const { kernel, spaces } = bench
    const namespace = bench.namespace('a')
    await kernel.apply(proven(everything(bench)))
    spaces.ip(namespace, 'link del br0\nlink del vxlan1')
    expect(await kernel.namespaces()).toEqual([namespace])
    await kernel.apply(proven([{ op: 'namespace-del', namespace }]))
    expect(await kernel.observe(namespace)).toBeUndefined()
    await expect.poll(() => kernel.strayLinks(), { timeout: 10_000 }).toEqual([])
  })

  test('a container’s namespace with the driver’s alias and a br0 of its own is not the driver’s', async () => {
    await using bench = await open()
    bench.spaces.ip(containerWithMark(bench), 'link add name br0 type bridge')
    expect(await bench.kernel.namespaces()).toEqual([])
  })

  test('another program’s interface with the name of a container end is no stray link', async () => {
    await using bench = await open()
    bench.spaces.ip(bench.host, 'link add name vxc12345678 type bridge')
    expect(await bench.kernel.strayLinks()).toEqual([])
  })

  test('a value with a line break never reaches ip', async () => {
    await using bench = await open()
    await expect(bench.kernel.apply([neighbour(bench, '172.21.0.2\nlink del eth1')])).rejects.toMatchObject({
      code: 'corrupt',
    })
  })
})

/** A container's namespace beside the driver's, with a link of Docker's and the driver's alias. */
function containerWithMark({ spaces, host }: RealBench): string {
  const container = spaces.add('c'.repeat(12))
  spaces.ip(host, `link add name vethfb7a1c2 type veth peer name eth0 netns ${container}`)
  spaces.ip(container, 'link set lo alias multihost')
  return container
}

/** A process in the namespace. */
async function processIn(namespace: string): Promise<Disposable & { pid: number }> {
  const child = spawn('nsenter', [`--net=${namespace}`, 'sleep', '60'])
  await expect
    .poll(() => statSync(`/proc/${child.pid}/ns/net`).ino, { timeout: 10_000 })
    .toBe(statSync(namespace).ino)
  return { pid: child.pid ?? 0, [Symbol.dispose]: () => void child.kill() }
}

/** A container whose namespace is in another folder, with a process in it, and a link of network a. */
async function farContainer(bench: RealBench) {
  const elsewhere = namespaces()
  const own = { ...veth('7'), mac: '02:42:ac:15:77:77' }
  const namespace = bench.namespace('a')
  await bench.kernel.apply(proven(everything(bench)))
  await bench.kernel.apply([{ op: 'veth-add', namespace, veth: own, mtuBytes: 1450 }])
  const sandbox = elsewhere.add('sandbox')
  bench.spaces.ip(bench.host, `link set ${own.container} netns ${sandbox}`)
  elsewhere.ip(sandbox, `link set ${own.container} name eth0`)
  const container = await processIn(sandbox)
  return {
    own,
    pid: container.pid,
    toMtu: (mtuBytes: number) => ({ op: 'veth-mtu' as const, namespace, veths: [own], mtuBytes }),
    mtu: (): number => JSON.parse(elsewhere.run(sandbox, 'ip', '-j', 'link', 'show', 'eth0').stdout)[0].mtu,
    [Symbol.dispose]() {
      container[Symbol.dispose]()
      elsewhere[Symbol.dispose]()
    },
  }
}

/** A kernel that runs the lines of shell before each nsenter. */
function entering({ spaces, host }: RealBench, lines: string) {
  const folder = mkdtempSync(join(tmpdir(), 'multihost-nsenter-'))
  const entered = join(folder, 'entered')
  const nsenter = execFileSync('sh', ['-c', 'command -v nsenter'], { encoding: 'utf8' }).trim()
  const script = `#!/bin/sh\nentered=${entered}\n${lines}\nexec ${nsenter} "$@"\n`
  writeFileSync(join(folder, 'nsenter'), script, { mode: 0o755 })
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`)
  const { log, entries } = readableLog()
  const kernel = realKernel({ folder: spaces.folder, hostNamespace: host, log })
  return {
    kernel,
    entries,
    entered: () => readFileSync(entered, 'utf8').split('\n'),
    async [Symbol.asyncDispose]() {
      await kernel.close()
      vi.unstubAllEnvs()
      rmSync(folder, { recursive: true })
    },
  }
}

/** Applies one operation in a process with mounts of its own, and tells what that process then observes. */
function privately(folder: string, op: Op): unknown {
  const script = `
    import { realKernel } from ${JSON.stringify(join(import.meta.dirname, '../../../../driver/kernel/real.ts'))}
    const kernel = realKernel({ folder: '${folder}', mountNamespace: '/proc/${process.pid}/ns/mnt' })
    await kernel.apply([${JSON.stringify(op)}])
    console.log(JSON.stringify((await kernel.observe('${op.namespace}')) ?? null))`
  const node = [process.execPath, '--import', 'tsx', '--input-type=module', '--eval', script]
  return JSON.parse(
    execFileSync('unshare', ['--mount', '--propagation', 'slave', ...node], { encoding: 'utf8' }),
  )
}

function sample(bench: Bench) {
  return datapath({ namespace: bench.namespace('a'), veths: [veth('1')], peers: [peer(2)] })
}

function everything(bench: Bench) {
  return plan(undefined, sample(bench)).ops
}

function neighbour(bench: Bench, ip: string) {
  return { op: 'neighbour-replace' as const, namespace: bench.namespace('a'), ip, mac: peer(2).mac }
}
