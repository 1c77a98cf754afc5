/**
 * `npm run histories -- [--count N] [--seed S]`: random histories of three whole drivers, their store, kernels and
 * engines in memory.
 *
 * Several worlds live beside each other in one process per core, since a history waits most of its time. Each process
 * prints its seed; a violation is printed with the steps that led to it.
 */
import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { type Life, liveHistory, newLife, prepare } from './history.ts'
import { randomFrom } from './random.ts'
import { makeWorld } from './world.ts'

const worldsPerProcess = 60
const { values } = parseArgs({
  options: { count: { type: 'string' }, seed: { type: 'string' }, child: { type: 'boolean' } },
})
const count = Number(values.count ?? 10_000)
const seed = Number(values.seed ?? Date.now() % 1_000_000_000)

if (values.child) await live()
else await share()

/** One process per core. */
async function share(): Promise<void> {
  const start = performance.now()
  const processes = Math.min(availableParallelism(), Math.max(1, Math.floor(count / 50)))
  const codes = await Promise.all(Array.from({ length: processes }, (_, index) => child(index, processes)))
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  const isGood = codes.every((code) => code === 0)
  console.log(`${count} histories, seed ${seed}, ${seconds} s: ${isGood ? 'every invariant held' : 'BROKEN'}`)
  process.exit(isGood ? 0 : 1)
}

function child(index: number, of: number): Promise<number> {
  const args = ['--child', '--seed', String(seed + index * 1000), '--count', String(Math.ceil(count / of))]
  const starter = new URL('../../provision/start.mjs', import.meta.url)
  const running = fork(starter, ['test/histories/main.ts', ...args])
  return new Promise((resolve) => running.on('exit', (code) => resolve(code ?? 1)))
}

async function live(): Promise<void> {
  const each = Math.ceil(count / worldsPerProcess)
  const living: Promise<void>[] = []
  // One after the other: so many drivers that start at once exceed the limits of their calls.
  for (let index = 0; index < worldsPerProcess; index += 1) {
    const life = await begin(seed + index)
    living.push(goOn(life, seed + index, each))
  }
  await Promise.all(living)
  process.exit(0)
}

async function begin(worldSeed: number): Promise<Life> {
  const random = randomFrom(worldSeed)
  const life = newLife(await makeWorld(3, random), random)
  await prepare(life)
  return life
}

async function goOn(life: Life, worldSeed: number, histories: number): Promise<void> {
  for (let lived = 0; lived < histories; lived += 1) {
    try {
      life.steps.splice(0, life.steps.length - 40)
      await liveHistory(life)
    } catch (error) {
      const where = `seed ${worldSeed}, history ${lived}`
      console.error([where, ...life.steps.map((it) => `  ${it}`), (error as Error).message].join('\n'))
      process.exit(1)
    }
  }
  await life.world.close()
}
