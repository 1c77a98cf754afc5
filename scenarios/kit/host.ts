/**
 * A lab host as a scenario uses it: run, succeed, fail, waitUntilSucceeds. The words are those of NixOS's
 * test driver.
 *
 * Commands are tagged templates. Each inserted value becomes one quoted word. A wait is for a condition, with
 * a deadline; its duration is recorded for the report.
 *
 * @example
 *     await hostA.succeed`docker network create ${name}`
 *     await using web = await hostA.run({ name: 'web', network: name })
 *     await hostB.within(2000).waitUntilSucceeds`docker network inspect ${name}`
 *     await web.succeed`ping -c1 ${other.address}`
 */
import { imageName } from '../../provision/lab/definition.ts'
import { LabError } from '../../provision/process/errors.ts'
import { shellQuote } from '../../provision/process/quote.ts'
import { timeoutScale } from '../../provision/process/timeout-scale.ts'
import { poll } from '../../provision/process/until.ts'
import type { Connection, Result } from '../../provision/ssh/connection.ts'
import type { CommandEvent, WaitEvent } from '../record/events.ts'
import { goesOnAfterUndo, teardownBegins } from './before-teardown.ts'
import { goesOn, pauseAt } from './debug.ts'
import { type Ran, ScenarioFailure } from './failure.ts'
import { undoAfter } from './suppressed.ts'
import type { Session } from './terminal.ts'

type Word = string | number | readonly (string | number)[]
type Command = (pieces: TemplateStringsArray, ...words: Word[]) => Promise<string>

/** An event that a host records; the scenario's name is added to it. */
export type HostEvent = Omit<CommandEvent, 'scenario'> | Omit<WaitEvent, 'scenario'>

/** A host's prompt, for replaying a page. Its commands are recorded by the replay, not by the host. */
export interface Typist {
  name: string
  /** Runs the line; resolves with both outputs and the exit code. */
  type(line: string): Promise<{ output: string; code: number }>
  /** Runs the line on a terminal of its own. */
  open(line: string): Promise<Session>
}

export interface Host {
  name: string
  address: string
  prompt: Typist
  /** Runs the command; resolves with outputs and exit code, also of a failure. */
  run(pieces: TemplateStringsArray, ...words: Word[]): Promise<Result>
  /** Starts a container; it is removed at the end of the scope (`await using`). */
  run(options: ContainerOptions): Promise<Container>
  /** Runs the command, demands exit code 0, resolves with stdout without the last newline. */
  succeed: Command
  /**
   * Runs the command, demands an exit code of its own other than 0, resolves with stderr and stdout. A host
   * that does not answer has not failed.
   */
  fail: Command
  /** Repeats the command until it succeeds; fails after 10 s with the last output. */
  waitUntilSucceeds: Command
  /** The same with another deadline, in milliseconds. */
  within(deadlineMs: number): { waitUntilSucceeds: Command }
}

export interface ContainerOptions {
  name: string
  network?: string
  /** The walkthrough's image unless given. */
  image?: string
  /** Further words of `docker run`, before the image. */
  args?: readonly string[]
  /** The container's command; `sleep infinity` unless given. */
  command?: readonly string[]
}

/** A container; its commands run inside it, by `sh`. */
export interface Container
  extends Pick<Host, 'succeed' | 'fail' | 'waitUntilSucceeds' | 'within'>,
    AsyncDisposable {
  name: string
  id: string
  /** IPv4 address at its start. */
  address: string
  /** IPv4 address now: a container that was started again may have another. */
  currentAddress(): Promise<string>
  remove(): Promise<void>
}

const defaultDeadlineMs = 10_000
/** Deadline of a single command, so that a scenario that hangs fails with evidence. */
const commandTimeoutMs = 60_000 * timeoutScale

export function labHost(
  name: string,
  address: string,
  connection: () => Promise<Connection>,
  record: (event: HostEvent) => void,
): Host {
  const once = async (command: string): Promise<Ran> => {
    const at = Date.now()
    const start = performance.now()
    const result = await attempt(connection, command)
    const ran = { host: name, command, result, ms: performance.now() - start }
    goesOn()
    goesOnAfterUndo()
    record({ kind: 'command', host: name, command, ...result, at, ms: ran.ms })
    return ran
  }
  const verbsFor = (run: RunOnce) => verbsOf(run, (wait) => record({ kind: 'wait', host: name, ...wait }))
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

/** Exit code of a command that was cut off or never ran, as in OpenSSH. */
const unanswered = 255

/** A host that cannot be reached answers with an exit code, so that a scenario can wait for its reboot. */
async function attempt(connection: () => Promise<Connection>, command: string): Promise<Result> {
  try {
    return await (await connection()).exec(command, { timeoutMs: commandTimeoutMs })
  } catch (error) {
    if (error instanceof LabError) return { code: unanswered, stdout: '', stderr: error.message }
    throw error
  }
}

type Verbs = Pick<Host, 'succeed' | 'fail' | 'waitUntilSucceeds' | 'within'>
type RunOnce = (command: string) => Promise<Ran>
type WaitFacts = Omit<WaitEvent, 'kind' | 'scenario' | 'host'>

function verbsOf(once: RunOnce, recordWait: (wait: WaitFacts) => void): Verbs {
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
      recordWait({ command, at, ms, tries, held: value !== undefined })
      if (value !== undefined) return trimmed(value)
      throw await failure(last as Ran, `still fails after ${(ms / 1000).toFixed(1)} s`)
    }
  return {
    async succeed(pieces, ...words) {
      const ran = await once(commandLine(pieces, words))
      if (ran.result.code !== 0) throw await failure(ran, 'should succeed')
      return trimmed(ran.result.stdout)
    },
    async fail(pieces, ...words) {
      const ran = await once(commandLine(pieces, words))
      if (ran.result.code === 0) throw await failure(ran, 'should fail')
      if (ran.result.code === unanswered) throw await failure(ran, 'has no exit code of its own')
      return trimmed(ran.result.stderr + ran.result.stdout)
    },
    waitUntilSucceeds: waiting(defaultDeadlineMs),
    within: (deadlineMs) => ({ waitUntilSucceeds: waiting(deadlineMs) }),
  }
}

/** With `--debug`, resolves when the user goes on. */
async function failure(ran: Ran, verdict: string): Promise<ScenarioFailure> {
  const error = new ScenarioFailure(ran, verdict)
  await pauseAt(error)
  return error
}

async function startContainer(
  { name, network, image = imageName, args = [], command = ['sleep', 'infinity'] }: ContainerOptions,
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
    await teardownBegins()
    await remove()
  }
  try {
    id = await host.succeed`docker run -d --init --name ${name} ${on} ${args} ${image} ${command}`
    const address = await currentAddress()
    const verbs = verbsInside((line) => `docker exec ${id} sh -c ${shellQuote(line)}`)
    return { name, id, address, currentAddress, ...verbs, remove, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    // The scenario gets no container that it could remove.
    id ||= createdBy(error)
    if (id === '') throw error
    return undoAfter(error, dispose)
  }
}

/** Id of the container that `docker run -d` has created and could not start; it prints the id all the same. */
function createdBy(failed: unknown): string {
  if (!(failed instanceof ScenarioFailure)) return ''
  return /^[0-9a-f]{64}$/m.exec(failed.stdout)?.[0] ?? ''
}

/** The template's text unchanged, each inserted value as one quoted word, each inserted list as several words. */
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
