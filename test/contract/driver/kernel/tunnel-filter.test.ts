import { spawnSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Run } from '../../../../driver/kernel/run-command.ts'
import { keepFilter } from '../../../../driver/kernel/tunnel-filter.ts'
import { isRoot, type Namespaces, namespaces, warnWhenNotRoot } from '../../../fixtures/namespaces.ts'

warnWhenNotRoot()
const hasNft = spawnSync('sh', ['-c', 'command -v nft']).status === 0

/** 16 flows of one packet, with the VXLAN header of VNI 256. */
function flows(from: string, to: string): string {
  const isV6 = from.includes(':')
  const at = (ip: string, port: number) =>
    isV6
      ? `pack_sockaddr_in6(${port}, Socket::inet_pton(AF_INET6, q(${ip})))`
      : `pack_sockaddr_in(${port}, inet_aton(q(${ip})))`
  return `for (1..16) { socket(my $s, ${isV6 ? 'AF_INET6' : 'AF_INET'}, SOCK_DGRAM, 0) or die $!;
    bind($s, ${at(from, 0)}) or die $!; send($s, pack(q(H*), q(0800000000010000)), 0, ${at(to, 4789)}) or die $! }`
}

/** A host with the interfaces h1, h2 and h3, whose other ends are f1, f2 and f3 of a peer. */
function twoMachines(spaces: Namespaces) {
  const host = spaces.add('host')
  const far = spaces.add('far')
  for (const n of [1, 2, 3]) {
    spaces.ip(
      host,
      `link add h${n} address 02:00:00:00:00:0${n} type veth peer name f${n} netns ${far}\nlink set h${n} up`,
    )
    spaces.ip(far, `link set f${n} up`)
  }
  const run: Run = async ([tool = '', ...args], input = '') => {
    const { status, stdout, stderr } = spawnSync('nsenter', [`--net=${host}`, tool, ...args], {
      encoding: 'utf8',
      input,
    })
    return { code: status ?? -1, stdout, stderr }
  }
  return {
    ...{ host, far },
    keep: (vteps: string[]) => keepFilter(run, [], () => ({ vteps, ports: [4789], vnis: [256] })),
    /** By the interface h`n`, through that neighbour. */
    async send(n: number, { from, to, via }: { from: string; to: string; via: string }) {
      const mac = `02:00:00:00:00:0${n}`
      spaces.ip(
        far,
        `neigh replace ${via} lladdr ${mac} dev f${n}\nroute replace ${to} via ${via} dev f${n} onlink`,
      )
      expect(spaces.run(far, 'perl', '-MSocket', '-e', flows(from, to)).stderr).toBe('')
      await delay(200)
    },
  }
}

const withNft = test.skipIf(!isRoot || !hasNft)

withNft('a host behind an IPv6 route over several interfaces is let in by each of them', async () => {
  using spaces = namespaces()
  const { host, far, keep, send } = twoMachines(spaces)
  for (const n of [1, 2, 3]) {
    spaces.ip(host, `address add fd00:${n}::1/64 dev h${n} nodad`)
    spaces.ip(far, `address add fd00:${n}::2/64 dev f${n} nodad`)
  }
  const [to, from] = ['fd00:9::11', 'fd00:9::12']
  spaces.ip(host, `address add ${to}/128 dev h1 nodad`)
  spaces.ip(far, `address add ${from}/128 dev f1 nodad`)
  const hops = [1, 2].map((n) => `nexthop via fd00:${n}::2 dev h${n}`).join(' ')
  spaces.ip(host, `route add ${from}/128 ${hops}`)
  const look = () => keep(['fd00:77::1', to, from, '192.168.33.12'])
  const sendBy = (n: number) => send(n, { from, to, via: `fd00:${n}::1` })
  await look()
  await sendBy(1)
  await sendBy(2)
  expect(await look()).toEqual({ arriving: 0, misrouted: 0, leaving: 0 })
  await sendBy(3)
  await expect
    .poll(look, { message: 'by an interface that the route has not' })
    .toMatchObject({ misrouted: 16 })
  spaces.ip(host, `route del ${from}/128`)
  await look()
  await sendBy(1)
  await expect.poll(look, { message: 'without the route' }).toMatchObject({ misrouted: 32 })
})

withNft('a host with two interfaces in one subnet lets its peers in by both', async () => {
  using spaces = namespaces()
  const { host, far, keep, send } = twoMachines(spaces)
  spaces.ip(
    host,
    `address add 192.168.33.10/24 dev h1
     address add 192.168.33.11/24 dev h2
     address add 10.44.0.1/24 dev h3
     route add default via 10.44.0.9 dev h3`,
  )
  const [to, from] = ['192.168.33.11', '192.168.33.12']
  spaces.ip(far, `address add ${from}/32 dev f1`)
  const look = () => keep([to, from])
  await look()
  // ARP for an address is answered on each interface of the link.
  for (const n of [1, 2]) await send(n, { from, to, via: to })
  expect(await look()).toEqual({ arriving: 0, misrouted: 0, leaving: 0 })
  await send(3, { from, to, via: '10.44.0.1' })
  await expect.poll(look, { message: 'by that of the default route' }).toMatchObject({ misrouted: 16 })
})
