/**
 * `npm run histories -- [--count N] [--seed S] [--log]`: random histories of two or three whole drivers, with
 * their store, kernels and engines in memory.
 *
 * A world lives up to a hundred histories and makes place for the next one, whose seed is greater by one.
 * Time, files and chance are not the machine's: a seed repeats its world to the last step. Every core has a
 * process with its share of the worlds. A violation is printed with the steps that led to it and with the
 * command that repeats it. With `--log`, standard output has what each host did, after the world's time in
 * milliseconds.
 */
import { fork } from 'node:child_process'
import { writeSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { randomFrom } from '../../scenarios/faults/random.ts'
import { liveHistory, prepare } from './history.ts'
import { installRandom } from './random.ts'
import { newLife } from './steps.ts'
import { installClock, passTimeUntil, resetClock } from './virtual-clock.ts'
import { installFiles, resetFiles } from './virtual-files.ts'
import { answerTime, makeWorld } from './world.ts'

const historiesPerWorld = 100
/** Of the world's time. A history whose steps do not end is a violation, too. */
const overWithinMs = 10 * 60_000
const usage = `usage: npm run histories -- [--count N] [--seed S] [--log]

  --count   how many histories; 10000
  --seed    of the first world; from the time
  --log     what each host did, after the world's time in milliseconds`
const { values } = parseArgs({
  options: {
    count: { type: 'string' },
    seed: { type: 'string' },
    log: { type: 'boolean' },
    help: { type: 'boolean' },
    child: { type: 'string' },
  },
})
const count = wholeNumber('count', values.count ?? '10000')
const seed = wholeNumber('seed', values.seed ?? String(1 + (Date.now() % 1_000_000_000)))
const worlds = Math.ceil(count / historiesPerWorld)

if (values.help) console.log(usage)
else if (values.child === undefined) await share()
else await live(values.child.split('/').map(Number))

function wholeNumber(option: string, value: string): number {
  if (/^[1-9]\d{0,9}$/.test(value)) return Number(value)
  throw new Error(`--${option} ${value}: a whole number of 1 or more`)
}

async function share(): Promise<void> {
  const start = performance.now()
  console.log(`${count} histories, seed ${seed}`)
  const processes = Math.min(availableParallelism(), worlds)
  const codes = await Promise.all(Array.from({ length: processes }, (_, index) => child(index, processes)))
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  const isGood = codes.every((code) => code === 0)
  console.log(`${count} histories, seed ${seed}, ${seconds} s: ${isGood ? 'every invariant held' : 'BROKEN'}`)
  process.exitCode = isGood ? 0 : 1
}

function child(index: number, of: number): Promise<number> {
  const args = ['--child', `${index}/${of}`, '--seed', String(seed), '--count', String(count)]
  if (values.log) args.push('--log')
  const starter = new URL('../../provision/start.mjs', import.meta.url)
  // A world's garbage is young: fewer and larger collections.
  const execArgv = ['--max-semi-space-size=32']
  const running = fork(starter, ['test/histories/main.ts', ...args], { execArgv })
  return new Promise((resolve) => running.on('exit', (code) => resolve(code ?? 1)))
}

/** Every `of`-th world from number `first` on. */
async function live([first = 0, of = 1]: number[]): Promise<void> {
  installClock()
  installFiles()
  for (let world = first; world < worlds; world += of) {
    const histories = Math.min(historiesPerWorld, count - world * historiesPerWorld)
    if (!(await liveWorld(seed + world, histories))) return
  }
}

function tell(line: string): void {
  writeSync(process.stdout.fd, `${performance.now()} ${line}\n`)
}

/** False after a violation. */
async function liveWorld(worldSeed: number, histories: number): Promise<boolean> {
  /** How long answers take, and the ids: apart from the steps, which another pause of the driver does not change. */
  const chance = randomFrom(worldSeed ^ 0x5eed5eed)
  installRandom(chance)
  resetClock()
  resetFiles(() => answerTime(chance))
  const steps: string[] = []
  const violations: string[] = []
  let lived = 0
  const report = (error: unknown): false => {
    process.exitCode = 1
    const said = error instanceof Error ? (error.stack ?? error.message) : String(error)
    const again = `npm run histories -- --seed ${worldSeed} --count ${lived + 1}`
    const last = steps.slice(-40).map((it) => `  ${it}`)
    const lines = [`seed ${worldSeed}, history ${lived}; again: ${again}`, ...last, ...violations, said]
    // At once, since the process may end before its streams do.
    writeSync(process.stderr.fd, `${lines.join('\n')}\n`)
    return false
  }
  // What the driver throws where no call waits for it.
  process.once('uncaughtException', (error) => {
    report(error)
    process.exit()
  })
  const pass = <T>(what: Promise<T>): Promise<T> => passTimeUntil(what, overWithinMs)
  const all = async (): Promise<true> => {
    const world = await pass(makeWorld(2 + (worldSeed % 2), chance, violations, values.log ? { tell } : {}))
    const life = newLife(world, randomFrom(worldSeed), steps)
    await pass(prepare(life))
    for (; lived < histories; lived += 1) await pass(liveHistory(life))
    await pass(world.close())
    // What broke after the last history's look.
    if (violations.length > 0) throw new Error('an invariant broke while the world ended')
    return true
  }
  try {
    return await all().catch(report)
  } finally {
    process.removeAllListeners('uncaughtException')
  }
}
