/**
 * Restarts of the driver, the engine, Consul and a host: traffic goes on, and everything recovers by itself.
 */
import { expect } from 'vitest'
import { refusesNew } from '../kit/network.ts'
import { lostWhile } from '../kit/pings.ts'
import { scenario } from '../kit/scenario.ts'
import { withSteadyPair } from '../kit/steady.ts'
import { consulLeads } from '../kit/store.ts'

const answers = 'multihost status --json > /dev/null'

scenario('a driver that is stopped and started loses no packet', async ({ hostA, hostB }) => {
  await withSteadyPair(hostA, hostB, async (a, b) => {
    expect(
      await lostWhile(a, b, async () => {
        await hostA.succeed`systemctl restart multihost`
        await hostA.within(30_000).waitUntilSucceeds`sh -c ${answers}`
      }),
    ).toBe(0)
  })
})

scenario('a driver that is killed loses no packet', async ({ hostA, hostB }) => {
  await withSteadyPair(hostA, hostB, async (a, b) => {
    expect(
      await lostWhile(a, b, async () => {
        await hostA.succeed`systemctl kill -s KILL multihost`
        await hostA.within(30_000).waitUntilSucceeds`sh -c ${answers}`
      }),
    ).toBe(0)
  })
})

scenario(
  'a Consul that restarts loses no packet, and the drivers find it again',
  async ({ hostA, hostB, consulServer }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      expect(
        await lostWhile(a, b, async () => {
          await consulServer.succeed`systemctl restart consul`
          await consulLeads(consulServer)
        }),
      ).toBe(0)
      await hostA.waitUntilSucceeds`sh -c ${'multihost status --json | jq -e .store.fresh'}`
      await hostB.waitUntilSucceeds`sh -c ${'multihost status --json | jq -e .store.fresh'}`
    })
  },
)

scenario(
  'Consul away: traffic goes on, docker network ls answers, a new network gets a clear error within 5 s',
  async ({ hostA, hostB, consulServer }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      await consulServer.succeed`systemctl stop consul`
      try {
        expect(
          await lostWhile(a, b, async () => {
            await hostA.succeed`timeout 4 docker network ls`
            await refusesNew(hostA)
          }),
        ).toBe(0)
      } finally {
        await consulServer.succeed`systemctl start consul`
      }
      await hostA.within(20_000).waitUntilSucceeds`docker run --rm --network steady debian:13 true`
    })
  },
)

scenario(
  'Consul hangs: a new network is an error within 5 s, and traffic goes on',
  async ({ hostA, hostB, consulServer }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      await consulServer.succeed`systemctl kill -s STOP consul`
      try {
        const lost = await lostWhile(a, b, async () => {
          await hostA.succeed`timeout 4 docker network ls`
          await refusesNew(hostA)
        })
        expect(lost).toBe(0)
      } finally {
        await consulServer.succeed`systemctl kill -s CONT consul`
      }
      await hostA.within(20_000).waitUntilSucceeds`docker run --rm --network steady debian:13 true`
    })
  },
)

// systemd limits the number of starts; the scenarios restart the engine more often.
const restart = 'systemctl reset-failed docker; systemctl restart docker'
const kill = 'systemctl kill -s KILL docker'

for (const [what, how] of [
  ['restarts', restart],
  ['is killed', kill],
] as const) {
  scenario(`an engine with live-restore that ${what} loses no packet`, async ({ hostA, hostB }) => {
    await hostA.succeed`echo '{ "live-restore": true }' > /etc/docker/daemon.json; sh -c ${restart}`
    try {
      await withSteadyPair(hostA, hostB, async (a, b) => {
        const lost = await lostWhile(a, b, async () => {
          await hostA.succeed`sh -c ${how}`
          await hostA.within(20_000).waitUntilSucceeds`docker version > /dev/null`
        })
        expect(lost).toBe(0)
        expect(await hostA.succeed`docker ps --format ${'{{.Names}}'}`).toContain('one')
        await b.succeed`ping -c1 -W1 ${a.address}`
      })
    } finally {
      await hostA.succeed`rm /etc/docker/daemon.json; sh -c ${restart}`
    }
  })
}

scenario(
  'an engine that restarts comes back with its networks, and its containers can be started again',
  async ({ hostA, hostB }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      for (const how of [restart, kill]) {
        await hostA.succeed`sh -c ${how}`
        await hostA.waitUntilSucceeds`docker version > /dev/null`
        await hostA.waitUntilSucceeds`docker start one`
        await b.waitUntilSucceeds`ping -c1 -W1 ${await a.currentAddress()}`
      }
    })
  },
)

scenario(
  'a host that reboots comes back with its networks, and leaks no address',
  async ({ hostA, hostB }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      await hostB.run`systemctl reboot`
      await hostB.within(60_000)
        .waitUntilSucceeds`docker version > /dev/null && multihost status --json > /dev/null`
      await hostB.succeed`docker start two`
      await a.within(20_000).waitUntilSucceeds`ping -c1 -W1 ${await b.currentAddress()}`
    })
  },
)
