/**
 * The driver crashes after each of its writes, for each verb. After its restart Consul, the kernel and Docker
 * agree, nothing is leaked, running containers lose no packet, and the user's command has succeeded or
 * succeeds when repeated.
 *
 * The driver counts its writes (driver/daemon/crash-points.ts). The sweep has it crash at write 1, 2, 3, …
 * until a number is not reached: first on the host where the command runs, then on the other host, whose
 * driver follows. Two pairs of containers ping each other meanwhile, one on the same network and one on
 * another.
 */
import { afterAll, beforeAll, expect } from 'vitest'
import { markdownTable } from '../../driver/cli/table.ts'
import { crashVariable } from '../../driver/daemon/crash-points.ts'
import { imageName } from '../../provision/lab/definition.ts'
import { atEnd } from '../kit/at-end.ts'
import type { Host } from '../kit/host.ts'
import { hasNo, sharedNetwork } from '../kit/network.ts'
import { lostWhile } from '../kit/pings.ts'
import { planeDifferences } from '../kit/planes.ts'
import { labHosts, scenario } from '../kit/scenario.ts'
import { inventory, nothingLeftSince } from '../kit/steady.ts'

const file = '/run/multihost/crash-at'
const dropIn = '/etc/systemd/system/multihost.service.d/crash-points.conf'
const docker = '/usr/bin/docker'
/** Of the network that the verbs change; given, so that a service can be attached on the host that created it. */
const subnet = ['--subnet', '10.77.0.0/24']

interface Verb {
  title: string
  /** Command that sets up the state before the verb. */
  prepare?: string
  command: string
  /** Command after a failure: it must reach the same state. */
  again: string
  /** Command that succeeds in the state after the verb. */
  done: string
  undo: string
}

const idle = `${imageName} sleep infinity`
const onBridge = `${docker} run -d --init --name moved --network bridge ${idle}`
const onSwept = `${docker} run -d --init --name moved --network swept ${idle}`
const running = `[ "$(${docker} inspect -f {{.State.Running}} moved)" =`
const networksOf = `networks=$(${docker} inspect -f '{{json .NetworkSettings.Networks}}' moved)`
const isOn = `${networksOf} && echo "$networks" | grep -q swept`
const isOff = `${networksOf} && ! echo "$networks" | grep -q swept`
const forget = `${docker} rm -f moved`
const create = `${docker} network create -d vxlan --ipam-driver vxlan made`
const isMade = `${docker} network inspect made`
const attach = 'multihost service attach moved crashed.swept'
const service = 'service=$(multihost service info crashed.swept)'
const isAttached = `${service} && echo "$service" | grep -q 'Container: .*moved'`
const isDetached = `${service} && ! echo "$service" | grep -q moved`
const unpublish = `multihost service unpublish crashed.swept; ${forget}`
const publish = `multihost service publish crashed.swept && ${onBridge}`

const verbs: Verb[] = [
  {
    title: 'network create',
    command: create,
    again: create,
    done: isMade,
    undo: `${docker} network rm made`,
  },
  {
    title: 'network rm',
    prepare: create,
    command: `${docker} network rm made`,
    again: `${docker} network rm made`,
    done: hasNo('made'),
    undo: 'true',
  },
  {
    title: 'run',
    command: onSwept,
    again: `${forget}; ${onSwept}`,
    done: `${running} true ] && ${isOn}`,
    undo: forget,
  },
  {
    title: 'stop',
    prepare: onSwept,
    command: `${docker} stop -t 0 moved`,
    again: `${docker} stop -t 0 moved`,
    done: `${running} false ]`,
    undo: forget,
  },
  {
    title: 'network connect',
    prepare: onBridge,
    command: `${docker} network connect swept moved`,
    again: `${docker} network connect swept moved`,
    done: isOn,
    undo: forget,
  },
  {
    title: 'network disconnect',
    prepare: onSwept,
    command: `${docker} network disconnect swept moved`,
    again: `${docker} network disconnect swept moved`,
    done: isOff,
    undo: forget,
  },
  {
    title: 'service attach',
    prepare: publish,
    command: attach,
    again: attach,
    done: isAttached,
    undo: `multihost service detach moved crashed.swept; ${unpublish}`,
  },
  {
    title: 'service detach',
    prepare: `${publish} && ${attach}`,
    command: 'multihost service detach moved crashed.swept',
    again: 'multihost service detach moved crashed.swept',
    done: isDetached,
    undo: unpublish,
  },
]

beforeAll(async () => {
  const { hostA, hostB } = await labHosts()
  for (const host of [hostA, hostB]) {
    // A shorter delay than the unit's half second before a restart, for a shorter run.
    const unit = `[Service]\nEnvironment=${crashVariable}=${file}\nRestartSec=50ms\n`
    await host.succeed`mkdir -p $(dirname ${dropIn}) && printf ${unit} > ${dropIn}`
    await restartDriver(host)
  }
})

afterAll(async () => {
  const { hostA, hostB } = await labHosts()
  for (const host of [hostA, hostB]) {
    await host.succeed`rm -rf $(dirname ${dropIn}) ${file} ${file}.log`
    await restartDriver(host)
  }
})

async function restartDriver(host: Host): Promise<void> {
  await host.succeed`systemctl daemon-reload && systemctl restart multihost`
}

/** Rows of verb, host of the crashed driver, number of crash points. */
const results: string[][] = []
afterAll(() =>
  console.log(markdownTable(['verb on the first host', 'driver that crashes', 'crash points'], results)),
)

for (const verb of verbs) {
  for (const victim of ['hostA', 'hostB'] as const) {
    const who = victim === 'hostA' ? 'the driver' : 'the other host’s driver'
    scenario(
      `${verb.title}: ${who} may crash after each write`,
      { timeout: 600_000 },
      async ({ hostA, hostB }) => {
        await using _steady = await sharedNetwork([hostA, hostB], 'steady')
        await using _swept = await sharedNetwork([hostA, hostB], 'swept', subnet)
        await using one = await hostA.run({ name: 'one', network: 'steady' })
        await using two = await hostB.run({ name: 'two', network: 'steady' })
        await using three = await hostA.run({ name: 'three', network: 'swept' })
        await using four = await hostB.run({ name: 'four', network: 'swept' })
        const lost = { elsewhere: 0, here: 0 }
        lost.elsewhere = await lostWhile(one, two, async () => {
          lost.here = await lostWhile(three, four, async () => {
            const victimHost = { hostA, hostB }[victim]
            const points = await sweep(verb, victimHost, hostA, hostB)
            console.log(`${verb.title}, the driver of ${victimHost.name} crashes:\n  ${points.join('\n  ')}`)
            results.push([verb.title, victimHost.name, String(points.length)])
            expect(points.length, 'crash points').toBeGreaterThan(0)
          })
        })
        expect(lost).toEqual({ elsewhere: 0, here: 0 })
      },
    )
  }
}

/**
 * Repeats the verb on `hostA` until the victim's driver has no further crash point. Resolves with a line per
 * point. Afterwards the victim's driver crashes no more, and what the verb has changed is undone.
 */
async function sweep(verb: Verb, victim: Host, hostA: Host, hostB: Host): Promise<string[]> {
  await using _undone = atEnd(async () => {
    await victim.run`rm -f ${file}`
    await hostA.run`sh -c ${verb.undo}`
  })
  const points: string[] = []
  const before = await inventory()
  for (let n = 1; ; n++) {
    if (verb.prepare !== undefined) {
      await hostA.succeed`sh -c ${verb.prepare}`
      await agree(`before ${verb.title}`, hostA, hostB)
    }
    const life = await lifeOf(victim)
    await victim.succeed`rm -f ${file}.log; echo ${n} > ${file}`
    const { code, stderr } = await hostA.run`sh -c ${verb.command}`
    await agree(`after ${verb.title} and point ${n}`, hostA, hostB)
    // The driver removes the file before it crashes: one of the two has it.
    const isOver = (await victim.run`rm ${file}`).code === 0
    const point = (await victim.run`tail -n 1 ${file}.log`).stdout.trim().slice(0, 200)
    expect((await lifeOf(victim)) === life, `the driver goes on after ${point}`).toBe(isOver)
    if (code !== 0) {
      expect(stderr, point).toMatch(clear)
      await hostA.run`sh -c ${verb.again}`
    }
    await hostA.waitUntilSucceeds`sh -c ${verb.done}`
    await hostA.run`sh -c ${verb.undo}`
    await agree(`after reverting ${verb.title} (${point})`, hostA, hostB)
    await nothingLeftSince(before, `left behind after ${point}`)
    if (isOver) return points
    points.push(`${point}: ${code === 0 ? 'succeeded' : stderr.trim().slice(0, 300)}`)
  }
}

/** The error names our driver. */
const clear = /multihost/

async function agree(when: string, ...hosts: Host[]): Promise<void> {
  expect(await planeDifferences(hosts), when).toEqual([])
}

/** A text that changes with every start of the driver. */
function lifeOf(host: Host): Promise<string> {
  return host.succeed`systemctl show -p MainPID -p NRestarts multihost`
}
