/**
 * Runs the parts of the acceptance run and reports them: a time and an output file per part, the outcome in
 * the terminal and as JUnit. A part that fails ends the run; the parts after it count as skipped.
 */
import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { execa } from 'execa'
import { explain, LabError } from '../../provision/process/errors.ts'
import { type JUnitCase, junitXml } from '../../scenarios/report/junit-xml.ts'

export interface Part {
  title: string
  /** `--from` runs this part also where it begins later: for a part of that provider, or for all. */
  prepares?: 'all' | 'libvirt' | 'virtualbox'
  /** On two idle cores without KVM, from an empty cache. */
  usualSeconds: number
  run(log: Log): Promise<void>
}

/** Runs a command with its output in the part's file; resolves with that output. */
export type Log = (command: readonly string[], env?: Record<string, string>) => Promise<string>

export interface Outcome {
  title: string
  seconds: number
  /** The error, and the last lines of the output; undefined where the part passed. */
  failure?: string
  skipped?: boolean
}

/** What the part with that title makes for later parts. */
export function ofAnEarlierPart<T>(title: string): { set(value: T): T; get(): T } {
  let made: { value: T } | undefined
  return {
    set(value) {
      made = { value }
      return value
    },
    get() {
      if (made === undefined) throw new Error(`the part "${title}" has not run`)
      return made.value
    },
  }
}

const shownLines = 25

export async function perform(parts: readonly Part[], folder: string): Promise<Outcome[]> {
  mkdirSync(folder, { recursive: true })
  const outcomes: Outcome[] = []
  for (const part of parts) {
    const skipped = outcomes.some(({ failure }) => failure !== undefined)
    outcomes.push(skipped ? { title: part.title, seconds: 0, skipped } : await performed(part, folder))
  }
  return outcomes
}

export function timesTable(outcomes: readonly Outcome[]): string {
  const width = Math.max(...outcomes.map(({ title }) => title.length))
  return outcomes
    .map(({ title, seconds, failure, skipped }) => {
      const state = skipped ? 'not run' : `${seconds.toFixed(0)} s`
      return `${title.padEnd(width)}  ${state.padStart(7)}${failure === undefined ? '' : '  FAILED'}`
    })
    .join('\n')
}

export function junit(outcomes: readonly Outcome[]): string {
  const cases = outcomes.map(({ title, seconds, failure, skipped }): JUnitCase => {
    const common = { classname: 'acceptance', name: title, ms: seconds * 1000 }
    if (skipped) return { ...common, outcome: { state: 'skipped' } }
    return failure === undefined ? common : { ...common, outcome: { state: 'failure', text: failure } }
  })
  return junitXml('acceptance', [{ name: 'acceptance', cases }])
}

async function performed({ title, run }: Part, folder: string): Promise<Outcome> {
  const file = join(folder, `${title.replaceAll(/[^a-z0-9]+/gi, '-')}.log`)
  writeFileSync(file, '')
  const start = performance.now()
  console.log(`— ${title}  (${file})`)
  const seconds = () => (performance.now() - start) / 1000
  try {
    await run(logger(file))
    console.log(`  ${seconds().toFixed(0)} s`)
    return { title, seconds: seconds() }
  } catch (error) {
    const last = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-shownLines).join('\n')
    const failure = `${explain(error)}\n${last}`
    console.error(`${failure}\n  failed after ${seconds().toFixed(0)} s`)
    return { title, seconds: seconds(), failure }
  }
}

function logger(file: string): Log {
  return async ([command = '', ...args], env = {}) => {
    const child = execa(command, args, { reject: false, all: true, env, stdin: 'ignore' })
    const written = pipeline(child.all, createWriteStream(file, { flags: 'a' }))
    const [result] = await Promise.all([child, written])
    if (!result.failed) return result.all
    throw new LabError(`${[command, ...args].join(' ')}: ${(result.shortMessage ?? '').split('\n')[0]}`, {
      cause: result,
    })
  }
}
