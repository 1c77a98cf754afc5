/**
 * Faults, on any driver: what each costs the traffic on one host and between hosts, and whether all is well
 * afterwards. The report sets the subjects side by side, with the packets that each lost.
 */
import { expect } from 'vitest'
import { subject } from '../kit/current-subject.ts'
import type { Fault } from '../kit/fault.ts'
import type { Faults } from '../kit/faults.ts'
import type { Host } from '../kit/host.ts'
import { sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'
import type { Feature } from '../kit/subject.ts'

interface On {
  faults: Faults
  hostA: Host
  hostB: Host
  consulServer: Host
}

/** Title, what the fault may cost the traffic between hosts, and the fault. Traffic on hostA alone loses nothing. */
const faulty: [string, 'no packet' | 'an outage', (on: On) => Promise<Fault | undefined>, Feature?][] = [
  [
    'two hosts are cut off from each other',
    'an outage',
    ({ faults, hostA, hostB }) => faults.partition(hostA, hostB),
  ],
  ['a host is unplugged', 'an outage', ({ faults, hostB }) => faults.unplug(hostB)],
  [
    'a host loses a fifth of what it sends',
    'an outage',
    ({ faults, hostA, hostB }) => faults.lose(hostA, 20, hostB),
  ],
  [
    'the driver is killed',
    'no packet',
    ({ faults, hostA }) => faults.kill(hostA, subject.unit),
    'own process',
  ],
  [
    'the driver restarts',
    'no packet',
    async ({ faults, hostA }) => {
      await faults.restart(hostA, subject.unit)
      return undefined
    },
    'own process',
  ],
  [
    'Consul is paused',
    'no packet',
    ({ faults, consulServer }) => faults.pause(consulServer, 'consul'),
    'Consul',
  ],
  ['an engine is killed', 'an outage', ({ faults, hostB }) => faults.kill(hostB, 'docker')],
  ['a host loses power', 'an outage', ({ faults, hostB }) => faults.off(hostB)],
]

for (const [title, cost, inject, feature] of faulty) {
  scenario(`fault: ${title}`, async ({ hostA, hostB, consulServer, faults, needs, lossDuring }) => {
    if (feature !== undefined) needs(feature)
    await using blue = await sharedNetwork([hostA, hostB], 'blue', ['--subnet', '10.41.0.0/24'])
    const run = (host: Host, name: string, last: number) =>
      host.run({ name, network: blue.name, args: ['--ip', `10.41.0.${last}`] })
    await using one = await run(hostA, 'one', 11)
    await using beside = await run(hostA, 'beside', 12)
    await using two = await run(hostB, 'two', 13)
    // A loss is counted from the first packet on. A driver may learn the way from an earlier one.
    for (const to of [beside, two]) await one.waitUntilSucceeds`ping -c1 -W1 ${to.address}`

    const losses = await lossDuring(
      { 'on one host': [one, beside], 'between hosts': [one, two] },
      async () => {
        await using fault = await inject({ faults, hostA, hostB, consulServer })
        // A container starts meanwhile; the driver may refuse it.
        await hostA.run`timeout 15 docker run --rm --name meanwhile --network ${blue.name} debian:13 true; docker rm -f meanwhile`
        await fault?.heal()
        await hostB.within(30_000).waitUntilSucceeds`docker start two` // an engine that ends stops it
      },
    )

    expect(losses['on one host']).toMatchObject({ lost: 0 })
    expect(losses['between hosts'].isBack, 'replies between hosts after the fault').toBe(true)
    if (cost === 'no packet') expect(losses['between hosts']).toMatchObject({ lost: 0 })
    await using late = await hostB.run({ name: 'late', network: blue.name })
    await late.within(20_000).waitUntilSucceeds`ping -c1 -W1 ${one.address}`
    await one.within(20_000).waitUntilSucceeds`ping -c1 -W1 ${two.address}`
  })
}
