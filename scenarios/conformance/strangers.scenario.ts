/**
 * Frames that strangers send into a network: from containers, from another interface, from a machine that is
 * no member, with the source address of a member.
 */
import { expect } from 'vitest'
import { sending } from '../kit/forged-frame.ts'
import { vniOn } from '../kit/inside.ts'
import { sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'
import { attemptsOf, echoesIn, times } from '../kit/strangers.ts'

scenario(
  `of ${times} frames of each stranger, no container gets one`,
  async ({ hostA, hostB, consulServer, needs }) => {
    needs('VXLAN')
    await using network = await sharedNetwork([hostA, hostB], 'closed')
    await using other = await sharedNetwork([hostA, hostB], 'unrelated')
    await using a = await hostA.run({ name: 'victim', network: network.name })
    await using local = await hostA.run({ name: 'local', network: network.name })
    await using remote = await hostB.run({ name: 'remote', network: network.name })
    await using inOther = await hostA.run({ name: 'inother', network: other.name })
    const vni = await vniOn(hostA, network.name)
    const count = async () => (await echoesIn(a)) + (await echoesIn(remote))

    const before = await count()
    const own = { vni, from: remote.address, to: a.address }
    await hostB.succeed`bash -c ${sending(own, hostA.address, 10)}`
    const ofMember = async () => (await count()) - before
    await expect.poll(ofMember, { message: 'a member’s own frames arrive' }).toBe(10)

    const attempts = await attemptsOf({ hostA, hostB, consulServer, vni, local, a, remote, inOther })
    const arrived: Record<string, number> = {}
    for (const [who, send] of attempts) {
      const before = await count()
      await send()
      arrived[who] = (await count()) - before
    }
    expect(arrived).toEqual(Object.fromEntries(attempts.map(([who]) => [who, 0])))
  },
)
