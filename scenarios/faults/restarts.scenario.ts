/**
 * Restarts of the driver, the engine, Consul and a host: traffic goes on, and everything recovers by itself.
 */
import { expect } from 'vitest'
import { lostWhile } from '../kit/pings.ts'
import { scenario } from '../kit/scenario.ts'
import { withSteadyPair } from '../kit/steady.ts'
import { consulLeads } from '../kit/store.ts'

const answers = 'multihost status --json > /dev/null'

scenario('a driver that is stopped and started loses no packet', async ({ net1, net2 }) => {
  await withSteadyPair(net1, net2, async (a, b) => {
    expect(
      await lostWhile(a, b, async () => {
        await net1.succeed`systemctl restart multihost`
        await net1.waitUntilSucceeds`sh -c ${answers}`
      }),
    ).toBe(0)
  })
})

scenario('a driver that is killed loses no packet', async ({ net1, net2 }) => {
  await withSteadyPair(net1, net2, async (a, b) => {
    expect(
      await lostWhile(a, b, async () => {
        await net1.succeed`systemctl kill -s KILL multihost`
        await net1.waitUntilSucceeds`sh -c ${answers}`
      }),
    ).toBe(0)
  })
})

scenario(
  'a Consul that restarts loses no packet, and the drivers find it again',
  async ({ net1, net2, consulServer }) => {
    await withSteadyPair(net1, net2, async (a, b) => {
      expect(
        await lostWhile(a, b, async () => {
          await consulServer.succeed`systemctl restart consul`
          await consulLeads(consulServer)
        }),
      ).toBe(0)
      await net1.waitUntilSucceeds`sh -c ${'multihost status --json | jq -e .store.fresh'}`
      await net2.waitUntilSucceeds`sh -c ${'multihost status --json | jq -e .store.fresh'}`
    })
  },
)

scenario(
  'Consul away: traffic goes on, docker network ls answers, a new container gets a clear error within 5 s',
  { timeout: 120_000 },
  async ({ net1, net2, consulServer }) => {
    await withSteadyPair(net1, net2, async (a, b) => {
      await consulServer.succeed`systemctl stop consul`
      try {
        expect(
          await lostWhile(a, b, async () => {
            await net1.succeed`timeout 2 docker network ls`
            const words = await net1.fail`timeout 8 docker run --rm --network steady debian:13 true`
            expect(words).toMatch(/Consul|consul/)
          }),
        ).toBe(0)
      } finally {
        await consulServer.succeed`systemctl start consul`
      }
      await net1.within(20_000).waitUntilSucceeds`docker run --rm --network steady debian:13 true`
    })
  },
)

scenario(
  'Consul hangs: a new container is an error within 5 s, and traffic goes on',
  { timeout: 120_000 },
  async ({ net1, net2, consulServer }) => {
    await withSteadyPair(net1, net2, async (a, b) => {
      await consulServer.succeed`systemctl kill -s STOP consul`
      try {
        const lost = await lostWhile(a, b, async () => {
          await net1.succeed`timeout 2 docker network ls`
          const began = performance.now()
          const words = await net1.fail`docker run --rm --network steady debian:13 true`
          expect(words).toMatch(/Consul/)
          expect(performance.now() - began).toBeLessThan(5000)
        })
        expect(lost).toBe(0)
      } finally {
        await consulServer.succeed`systemctl kill -s CONT consul`
      }
      await net1.within(20_000).waitUntilSucceeds`docker run --rm --network steady debian:13 true`
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
  scenario(
    `an engine with live-restore that ${what} loses no packet`,
    { timeout: 120_000 },
    async ({ net1, net2 }) => {
      await net1.succeed`echo '{ "live-restore": true }' > /etc/docker/daemon.json; sh -c ${restart}`
      try {
        await withSteadyPair(net1, net2, async (a, b) => {
          const lost = await lostWhile(a, b, async () => {
            await net1.succeed`sh -c ${how}`
            await net1.within(20_000).waitUntilSucceeds`docker version > /dev/null`
          })
          expect(lost).toBe(0)
          expect(await net1.succeed`docker ps --format ${'{{.Names}}'}`).toContain('one')
          await b.succeed`ping -c1 -W1 ${a.address}`
        })
      } finally {
        await net1.succeed`rm /etc/docker/daemon.json; sh -c ${restart}`
      }
    },
  )
}

scenario(
  'an engine that restarts comes back with its networks, and its containers can be started again',
  { timeout: 120_000 },
  async ({ net1, net2 }) => {
    await withSteadyPair(net1, net2, async (a, b) => {
      for (const how of [restart, kill]) {
        await net1.succeed`sh -c ${how}`
        await net1.waitUntilSucceeds`docker version > /dev/null`
        await net1.waitUntilSucceeds`docker start one`
        await b.waitUntilSucceeds`ping -c1 -W1 ${await a.currentAddress()}`
      }
    })
  },
)

scenario(
  'a host that reboots comes back with its networks, and leaks no address',
  { timeout: 180_000 },
  async ({ net1, net2 }) => {
    await withSteadyPair(net1, net2, async (a, b) => {
      await net2.run`systemctl reboot`
      await net2.within(60_000)
        .waitUntilSucceeds`docker version > /dev/null && multihost status --json > /dev/null`
      await net2.succeed`docker start two`
      await a.within(20_000).waitUntilSucceeds`ping -c1 -W1 ${await b.currentAddress()}`
    })
  },
)
