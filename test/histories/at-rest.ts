/**
 * What drivers do while nothing happens: two hosts with a network and a container each, for a minute of
 * virtual time. Prints JSON: how often each question was asked, and how often each timer below 10 s fired,
 * without those of Consul.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type Random, randomFrom } from '../../scenarios/faults/random.ts'
import { installRandom } from './random.ts'
import { installClock, passTimeUntil, resetClock, takeFired } from './virtual-clock.ts'
import { installFiles, resetFiles } from './virtual-files.ts'
import { makeWorld, type World } from './world.ts'

const hosts = 2
const minuteMs = 60_000
const restMs = 10_000

installClock()
installFiles()
resetClock()
resetFiles(async () => undefined)
const random = randomFrom(1)
installRandom(random)
/** Every answer takes a turn of the event loop. */
const prompt: Random = { ...random, chance: (probability) => probability === 0.5 }

const asked = new Map<string, number>()
const count = (counts: Map<string, number>, what: string): void =>
  void counts.set(what, (counts.get(what) ?? 0) + 1)
const violations: string[] = []
const pass = <T>(what: Promise<T>): Promise<T> => passTimeUntil(what, 10 * minuteMs)

async function begin(world: World): Promise<void> {
  const [first] = world.hosts
  // A host writes nothing before it has its name.
  await delay(restMs)
  await first?.docker.create('multihost')
  await delay(restMs)
  for (const host of world.hosts) await host.run(`web-${host.name}`, 'multihost')
  // Until what a start leaves behind has come to rest: the log of commits, reserves.
  await delay(5 * minuteMs)
}

/** So that the timers of Consul's blocking queries are not as long as any of the driver's. */
const blockingMs = 2345
const options = {
  tells: true,
  timeoutMs: 2 * blockingMs,
  asked: (question: string) => count(asked, question),
}
const world = await pass(makeWorld(hosts, prompt, violations, options))
await pass(begin(world))
asked.clear()
takeFired()
await pass(delay(minuteMs))
const questions = Object.fromEntries([...asked].sort())
const timers = new Map<string, number>()
for (const ms of takeFired()) if (ms < restMs && ms !== blockingMs) count(timers, `${ms} ms`)
await pass(world.close())
process.stdout.write(JSON.stringify({ hosts, questions, timers: Object.fromEntries(timers), violations }))
