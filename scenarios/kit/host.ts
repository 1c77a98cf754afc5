/**
 * A lab host as a scenario sees it: run, succeed, fail, waitUntilSucceeds.
 *
 * Commands are tagged templates: what is inserted becomes one word each, quoted. Waiting is on a condition with
 * a deadline; how long it took is kept for the report. Words after NixOS's test driver.
 */

import { imageName } from '../../provision/lab/hosts.ts'
import { LabError } from '../../provision/process/errors.ts'
import { timeoutScale } from '../../provision/process/timeout-scale.ts'
import { poll } from '../../provision/process/until.ts'
import { type Connection, type Result, shellQuote } from '../../provision/ssh/connection.ts'
import type { CommandEvent, WaitEvent } from '../record/events.ts'
import { takingDown } from './before-teardown.ts'
import { ScenarioFailure } from './failure.ts'
import { bothFailed } from './suppressed.ts'
import type { Session } from './terminal.ts'

type Word = string | number | readonly (string | number)[]
type Command = (pieces: TemplateStringsArray, ...words: Word[]) => Promise<string>

export interface Ran {
  host: string
  command: string
  result: Result
  ms: number
}

/** What a host tells about itself while it is used; the report's events without the scenario's name. */
export type Told = Omit<CommandEvent, 'scenario'> | Omit<WaitEvent, 'scenario'>

/** A host's prompt, for who replays a page: what is typed there and seen. It tells the report by itself. */
export interface Typist {
  name: string
  /** Runs the line; what both outputs say, and the exit code. */
  type(line: string): Promise<{ output: string; code: number }>
  /** Runs it on a terminal of its own. */
  open(line: string): Promise<Session>
}

export interface Host {
  name: string
  address: string
  prompt: Typist
  /** Runs it and returns what came of it, whatever that is. */
  run(pieces: TemplateStringsArray, ...words: Word[]): Promise<Result>
  /** Starts a container that sleeps; it goes with the scope (`await using`). */
  run(options: ContainerOptions): Promise<Container>
  /** Runs it, demands exit code 0, returns stdout without the last newline. */
  succeed: Command
  /** Runs it, demands another exit code than 0, returns stderr and stdout. */
  fail: Command
  /** Runs it again and again until it succeeds; fails after the deadline (10 s) with its last words. */
  waitUntilSucceeds: Command
  /** The same with another deadline. */
  within(deadlineMs: number): { waitUntilSucceeds: Command }
}

export interface ContainerOptions {
  name: string
  network?: string
  /** Further words of `docker run`, before the image. */
  args?: readonly string[]
  /** What it runs; `sleep infinity` unless given. */
  command?: readonly string[]
}

/** Commands run inside it, by its `sh`. */
export interface Container
  extends Pick<Host, 'succeed' | 'fail' | 'waitUntilSucceeds' | 'within'>,
    AsyncDisposable {
  name: string
  id: string
  /** IPv4 address on the network that it was started on. */
  address: string
  /** The same now: a container that was started again has another one. */
  currentAddress(): Promise<string>
  remove(): Promise<void>
}

const defaultDeadlineMs = 10_000
/** Longest that a single command may take; a scenario that hangs is cut there with its evidence. */
const commandLimitMs = 60_000 * timeoutScale

export function labHost(
  name: string,
  address: string,
  connection: () => Promise<Connection>,
  tell: (told: Told) => void,
): Host {
  const once = async (command: string): Promise<Ran> => {
    const at = Date.now()
    const start = performance.now()
    const result = await attempt(connection, command)
    const ran = { host: name, command, result, ms: performance.now() - start }
    tell({ kind: 'command', host: name, command, ...result, at, ms: ran.ms })
    return ran
  }
  const verbsFor = (run: RunOnce) => verbsOf(run, (wait) => tell({ kind: 'wait', host: name, ...wait }))
  const verbs = verbsFor(once)
  const run = (first: TemplateStringsArray | ContainerOptions, ...words: Word[]) =>
    'raw' in first
      ? once(commandLine(first, words)).then((ran) => ran.result)
      : startContainer(first, verbs, (inside) => verbsFor((line) => once(inside(line))))
  const prompt: Typist = {
    name,
    async type(line) {
      const { stdout, stderr, code } = await attempt(connection, line)
      return { output: stdout + stderr, code }
    },
    open: async (line) => (await connection()).session(line),
  }
  return { name, address, prompt, ...verbs, run: run as Host['run'] }
}

/** A host that cannot be reached (it reboots) is a command that failed, so that waiting for it is possible. */
async function attempt(connection: () => Promise<Connection>, command: string): Promise<Result> {
  try {
    return await (await connection()).exec(command, { timeoutMs: commandLimitMs })
  } catch (error) {
    if (error instanceof LabError) return { code: 255, stdout: '', stderr: error.message }
    throw error
  }
}

type Verbs = Pick<Host, 'succeed' | 'fail' | 'waitUntilSucceeds' | 'within'>
type RunOnce = (command: string) => Promise<Ran>
type Waited = Omit<WaitEvent, 'kind' | 'scenario' | 'host'>

function verbsOf(once: RunOnce, tellWait: (wait: Waited) => void): Verbs {
  const waiting =
    (deadlineMs: number): Command =>
    async (pieces, ...words) => {
      const command = commandLine(pieces, words)
      const at = Date.now()
      let last: Ran | undefined
      const { value, ms, tries } = await poll(async () => {
        last = await once(command)
        return last.result.code === 0 ? last.result.stdout : undefined
      }, deadlineMs)
      tellWait({ command, at, ms, tries, held: value !== undefined })
      if (value !== undefined) return trimmed(value)
      throw new ScenarioFailure(last as Ran, `still fails after ${(ms / 1000).toFixed(1)} s`)
    }
  return {
    async succeed(pieces, ...words) {
      const ran = await once(commandLine(pieces, words))
      if (ran.result.code !== 0) throw new ScenarioFailure(ran, 'should succeed')
      return trimmed(ran.result.stdout)
    },
    async fail(pieces, ...words) {
      const ran = await once(commandLine(pieces, words))
      if (ran.result.code === 0) throw new ScenarioFailure(ran, 'should fail')
      return trimmed(ran.result.stderr + ran.result.stdout)
    },
    waitUntilSucceeds: waiting(defaultDeadlineMs),
    within: (deadlineMs) => ({ waitUntilSucceeds: waiting(deadlineMs) }),
  }
}

async function startContainer(
  { name, network, args = [], command = ['sleep', 'infinity'] }: ContainerOptions,
  host: Verbs,
  verbsInside: (inside: (line: string) => string) => Verbs,
): Promise<Container> {
  const on = network === undefined ? [] : ['--network', network]
  let id = ''
  const ask = '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}'
  const currentAddress = async () =>
    (await host.succeed`docker inspect -f ${ask} ${id}`).trim().split(' ')[0] ?? ''
  const remove = async () => {
    await host.succeed`docker rm -f ${id}`
  }
  const dispose = async () => {
    await takingDown()
    await remove()
  }
  try {
    id = await host.succeed`docker run -d --init --name ${name} ${on} ${args} ${imageName} ${command}`
    const address = await currentAddress()
    const verbs = verbsInside((line) => `docker exec ${id} sh -c ${shellQuote(line)}`)
    return { name, id, address, currentAddress, ...verbs, remove, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    // The scenario has nothing that would remove it.
    id ||= createdBy(error)
    if (id === '') throw error
    await dispose().catch((then) => {
      throw bothFailed(then, error)
    })
    throw error
  }
}

/** The container that `docker run -d` has made and could not start: it has printed its id all the same. */
function createdBy(failed: unknown): string {
  if (!(failed instanceof ScenarioFailure)) return ''
  return /^[0-9a-f]{64}$/m.exec(failed.stdout)?.[0] ?? ''
}

/** The template's text as it is, each inserted value as one quoted word, each inserted list as several. */
export function commandLine(pieces: TemplateStringsArray, words: readonly Word[]): string {
  const quoted = words.map((word) =>
    [word]
      .flat()
      .map((each) => shellQuote(String(each)))
      .join(' '),
  )
  return pieces.raw.reduce((line, piece, i) => line + (quoted[i - 1] ?? '') + piece).trim()
}

function trimmed(text: string): string {
  return text.replace(/\n$/, '')
}
