/**
 * Restarts of the driver, the engine, Consul and a host: traffic goes on, and everything recovers by itself.
 */
import { expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import { convergesWithinMs } from '../kit/converged.ts'
import { refusesNew, sharedNetwork } from '../kit/network.ts'
import { lostWhile } from '../kit/pings.ts'
import { reboot } from '../kit/reboot.ts'
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
      {
        await using _started = atEnd(() => consulServer.succeed`systemctl start consul`)
        expect(
          await lostWhile(a, b, async () => {
            await hostA.succeed`timeout 4 docker network ls`
            await refusesNew(hostA)
          }),
        ).toBe(0)
      }
      await hostA.within(20_000).waitUntilSucceeds`docker run --rm --network steady debian:13 true`
    })
  },
)

scenario(
  'Consul hangs: a new network is an error within 5 s, and traffic goes on',
  async ({ hostA, hostB, consulServer, faults }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      {
        await using _paused = await faults.pause(consulServer, 'consul')
        const lost = await lostWhile(a, b, async () => {
          await hostA.succeed`timeout 4 docker network ls`
          await refusesNew(hostA)
        })
        expect(lost).toBe(0)
      }
      await hostA.within(20_000).waitUntilSucceeds`docker run --rm --network steady debian:13 true`
    })
  },
)

// systemd limits the number of starts; the scenarios restart the engine more often.
const restart = 'systemctl reset-failed docker; systemctl restart docker'

// conformance/restarts has the engine that is restarted.
scenario('an engine with live-restore that is killed loses no packet', async ({ hostA, hostB }) => {
  await using _engine = atEnd(() => hostA.succeed`rm -f /etc/docker/daemon.json; sh -c ${restart}`)
  await hostA.succeed`echo '{ "live-restore": true }' > /etc/docker/daemon.json; sh -c ${restart}`
  await withSteadyPair(hostA, hostB, async (a, b) => {
    const lost = await lostWhile(a, b, async () => {
      await hostA.succeed`systemctl kill -s KILL docker`
      await hostA.within(20_000).waitUntilSucceeds`docker version > /dev/null`
    })
    expect(lost).toBe(0)
    expect(await hostA.succeed`docker ps --format ${'{{.Names}}'}`).toContain('one')
    await b.succeed`ping -c1 -W1 ${a.address}`
  })
})

scenario(
  'an engine that is killed comes back with its networks, and its containers can be started again',
  async ({ hostA, hostB }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      await hostA.succeed`systemctl kill -s KILL docker`
      await hostA.within(30_000).waitUntilSucceeds`docker version > /dev/null`
      await hostA.within(30_000).waitUntilSucceeds`docker start one`
      await b.waitUntilSucceeds`ping -c1 -W1 ${await a.currentAddress()}`
    })
  },
)

scenario(
  'a host that reboots comes back with its networks, and leaks no address',
  async ({ hostA, hostB }) => {
    await withSteadyPair(hostA, hostB, async (a, b) => {
      await reboot(hostB)
      await hostB.within(60_000)
        .waitUntilSucceeds`docker version > /dev/null && multihost status --json > /dev/null`
      await hostB.succeed`docker start two`
      await a.within(20_000).waitUntilSucceeds`ping -c1 -W1 ${await b.currentAddress()}`
    })
  },
)

const always = ['--restart=always', '--network-alias=www']
const isRunning = 'docker inspect -f {{.State.Running}}'
const lastError = 'timeout 20 docker inspect -f {{.State.Error}} aa'

scenario(
  'a container that Docker gave up while the driver was not there runs when the driver is back',
  async ({ hostA, hostB }) => {
    await using network = await sharedNetwork([hostA, hostB], 'later')
    await using aa = await hostA.run({ name: 'aa', network: network.name, args: always })
    await using bb = await hostB.run({ name: 'bb', network: network.name })
    await hostA.succeed`systemctl stop docker.socket docker && systemctl disable --now multihost`
    {
      await using _driver = atEnd(() => hostA.succeed`systemctl enable --now multihost`)
      await hostA.succeed`systemctl reset-failed docker; systemctl start --no-block docker`
      // Docker looks for a plugin for 15 s each time.
      await hostA.within(120_000).waitUntilSucceeds`sh -c ${`${lastError} | grep .`}`
    }
    await aa.within(70_000).waitUntilSucceeds`true`
    await bb.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 aa`
  },
)

scenario(
  'Docker has lost a network: a container with a restart policy runs on it again, another can be started',
  async ({ hostA, hostB }) => {
    await using network = await sharedNetwork([hostA, hostB], 'lost')
    await using aa = await hostA.run({ name: 'aa', network: network.name, args: always })
    await using idle = await hostA.run({ name: 'idle', network: network.name })
    await using bb = await hostB.run({ name: 'bb', network: network.name })
    await hostA.succeed`systemctl stop docker.socket docker && rm -rf /var/lib/docker/network`
    await hostA.succeed`systemctl reset-failed docker; systemctl start docker`
    await aa.within(60_000).waitUntilSucceeds`true`
    for (const name of ['aa', 'www'])
      await bb.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 ${name}`
    expect(await hostA.succeed`sh -c ${`${isRunning} idle`}`).toBe('false')
    await hostA.waitUntilSucceeds`docker start idle`
    await bb.waitUntilSucceeds`ping -c1 -W1 ${await idle.currentAddress()}`
  },
)
