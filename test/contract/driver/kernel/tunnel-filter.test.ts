import { spawnSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Run } from '../../../../driver/kernel/run-command.ts'
import { keepFilter } from '../../../../driver/kernel/tunnel-filter.ts'
import { isRoot, namespaces, warnWhenNotRoot } from '../../../fixtures/namespaces.ts'

warnWhenNotRoot()
const hasNft = spawnSync('sh', ['-c', 'command -v nft']).status === 0

/** Packets of 16 flows, each with the VXLAN header of VNI 256. */
function flows(from: string, to: string): string {
  const at = (ip: string, port: number) => `pack_sockaddr_in6(${port}, Socket::inet_pton(AF_INET6, q(${ip})))`
  return `for (1..16) { socket(my $s, AF_INET6, SOCK_DGRAM, 0) or die $!; bind($s, ${at(from, 0)}) or die $!;
    send($s, pack(q(H*), q(0800000000010000)), 0, ${at(to, 4789)}) or die $! }`
}

test.skipIf(!isRoot || !hasNft)(
  'a host behind an IPv6 route over several interfaces is let in by each of them',
  async () => {
    using spaces = namespaces()
    const [host, far] = [spaces.add('host'), spaces.add('far')]
    const run: Run = async ([tool = '', ...args], input = '') => {
      const { status, stdout, stderr } = spawnSync('nsenter', [`--net=${host}`, tool, ...args], {
        encoding: 'utf8',
        input,
      })
      return { code: status ?? -1, stdout, stderr }
    }
    for (const n of [1, 2, 3]) {
      spaces.ip(
        host,
        `link add h${n} address 02:00:00:00:00:0${n} type veth peer name f${n} netns ${far}
         address add fd00:${n}::1/64 dev h${n} nodad
         link set h${n} up`,
      )
      spaces.ip(
        far,
        `address add fd00:${n}::2/64 dev f${n} nodad
         link set f${n} up
         neigh replace fd00:${n}::1 lladdr 02:00:00:00:00:0${n} dev f${n}`,
      )
    }
    spaces.ip(host, 'address add fd00:9::11/128 dev h1 nodad')
    spaces.ip(far, 'address add fd00:9::12/128 dev f1 nodad')
    const hops = [1, 2].map((n) => `nexthop via fd00:${n}::2 dev h${n}`).join(' ')
    spaces.ip(host, `route add fd00:9::12/128 ${hops}`)
    const filter = { vteps: ['fd00:9::11', 'fd00:9::12', '192.168.33.12'], ports: [4789], vnis: [256] }
    const refused = () => keepFilter(run, [], () => filter)
    await refused()
    const send = async (n: number) => {
      spaces.ip(far, `route replace fd00:9::11/128 via fd00:${n}::1 dev f${n}`)
      const sent = spaces.run(far, 'perl', '-MSocket', '-e', flows('fd00:9::12', 'fd00:9::11'))
      expect(sent.stderr).toBe('')
      await delay(200)
    }
    await send(1)
    await send(2)
    expect(await refused()).toEqual({ arriving: 0, misrouted: 0, leaving: 0 })
    await send(3)
    expect(await refused(), 'by an interface that the route has not').toMatchObject({ misrouted: 16 })
    spaces.ip(host, 'route del fd00:9::12/128')
    await refused()
    await send(1)
    expect(await refused(), 'without the route').toMatchObject({ misrouted: 32 })
  },
)
