/**
 * Replays the page, heading after heading. Every command that a scenario types must be the page's next
 * command, at the page's prompt, and print what the page shows.
 *
 * A PageFailure names the line of the page. There are three kinds: no scenario types a command of the page; a
 * scenario types a command that the page does not have; the output differs.
 */

import { poll } from '../../../provision/process/until.ts'
import type { Typist } from '../../kit/host.ts'
import { type Terminal, terminal } from '../../kit/terminal.ts'
import { type Bindings, bind, compare, type Match, matchLine, updatedLine } from './matcher.ts'
import type { Heading, Step } from './page.ts'

/** The progress of a run through the page. */
export interface Reading {
  /** The page's name in messages. */
  file: string
  /** The values of this run that the page's values stand for so far. */
  bindings: Bindings
  /** Collects this run's outputs to replace the page's; `undefined`: outputs are compared. */
  update: UpdatedStep[] | undefined
}

export interface UpdatedStep {
  step: Step
  command: string
  prompt: Prompt
  output: string[]
}

/** The result of a step. */
export interface Replayed {
  step: Step
  command: string
  output: string
  code: number
  at: number
  ms: number
  /** For `eventually`: how often the command was typed until it printed what the page shows. */
  tries?: number
}

type Line<T> = (pieces: TemplateStringsArray, ...words: (string | number)[]) => Promise<T>

/** At a host's prompt. */
export interface AtHost {
  /** Types the page's next command, which must succeed. Resolves with its output. */
  types: Line<string>
  /** Repeats the command until its output is the page's, for up to 10 s. */
  eventually: Line<string>
  /** Types a command that leads to another prompt: a container's, or a host's. */
  enters: Line<Shell>
  /** Types a command that runs while others are typed. Resolves when its output matches `ready`. */
  starts(ready: RegExp): Line<RunningCommand>
}

/** At the prompt that a command has led to. */
export interface Shell {
  /** From the prompt: the first twelve digits of the container's id, or the host's name. */
  name: string
  types: Line<string>
  eventually: Line<string>
}

export interface RunningCommand {
  /** Waits for the end of the command. Resolves with its output. */
  ends(): Promise<string>
}

export interface Replay {
  /** Begins a heading; the commands that follow stand below it, also those in shells that were entered before. */
  begin(heading: Heading): void
  at(typist: Typist): AtHost
  /** Throws when the heading has a command that was not typed. */
  finish(): void
  /** Ends the shells that are still open. */
  leave(): Promise<void>
}

export class PageFailure extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'PageFailure'
    this.stack = `${this.name}: ${message}` // without frames: the place is on the page
  }
}

/** A host's own prompt, or that of a shell on the host. */
interface Prompt {
  host: string
  shell?: string
}

interface Result {
  output: string
  code: number
}

const shellPrompt = /root@(?<name>[\w-]+):[^ \n]*# $/
const deadlineMs = 10_000

interface State {
  reading: Reading
  heading: Heading
  /** The steps of the heading that have not been typed. */
  left: Step[]
  shells: Terminal[]
  record(replayed: Replayed): void
  /** Called before a command is typed. */
  before(command: string): Promise<void>
}

/** Advances `reading`. Passes each result to `record`, and each command to `before` before it is typed. */
export function replayOf(
  reading: Reading,
  record: State['record'],
  before: State['before'] = async () => undefined,
): Replay {
  const heading: Heading = { title: '', level: 0, line: 0, steps: [] }
  const state: State = { reading, heading, left: [], shells: [], record, before }
  return {
    begin(next) {
      state.heading = next
      state.left = [...next.steps]
    },
    at: ({ name: host, type, open }) => ({
      types: typing(state, { host }, type, false),
      eventually: typing(state, { host }, type, true),
      enters: entering(state, { host }, open),
      starts: (ready) => starting(state, { host }, open, ready),
    }),
    finish() {
      const [step] = state.left
      if (step === undefined) return
      throw new PageFailure(
        `${reading.file}:${step.line}: no scenario runs \`${step.command}\` on ${step.host}`,
      )
    },
    async leave() {
      await Promise.allSettled(state.shells.map((screen) => screen.leave())) // a shell's host may be down
    },
  }
}

function typing(state: State, prompt: Prompt, run: Typist['type'], repeat: boolean): Line<string> {
  return (pieces, ...words) => {
    const command = lineOf(pieces, words)
    return perform(state, { prompt, step: take(state, prompt, command), command }, run, repeat)
  }
}

function entering(state: State, prompt: Prompt, open: Typist['open']): Line<Shell> {
  return async (pieces, ...words) => {
    const command = lineOf(pieces, words)
    const step = take(state, prompt, command)
    const clock = startClock()
    const screen = terminal(await open(command), `${prompt.host}: ${command}`, shellPrompt)
    const promptText = await screen.prompted()
    const name = shellPrompt.exec(promptText)?.groups?.name
    const output = screen.printed().slice(0, screen.printed().length - promptText.length)
    const result = { output, code: name === undefined ? (await screen.ended()).code || 1 : 0 }
    state.record({ step, command, ...result, ...clock() })
    check(state, { step, prompt, command }, result)
    return shellAt(state, prompt.host, name ?? '', screen)
  }
}

function shellAt(state: State, host: string, name: string, screen: Terminal): Shell {
  const run = async (line: string) => ({ output: await screen.type(line), code: 0 })
  const prompt = { host, shell: name }
  state.shells.push(screen)
  return { name, types: typing(state, prompt, run, false), eventually: typing(state, prompt, run, true) }
}

function starting(state: State, prompt: Prompt, open: Typist['open'], ready: RegExp): Line<RunningCommand> {
  return async (pieces, ...words) => {
    const command = lineOf(pieces, words)
    const typed = { prompt, step: take(state, prompt, command), command }
    const screen = terminal(await open(command), `${prompt.host}: ${command}`, ready)
    await screen.prompted()
    return { ends: () => perform(state, typed, screen.ended, false) }
  }
}

/** The page's next step. Throws a PageFailure when it is not this command at this prompt. */
function take(state: State, prompt: Prompt, command: string): Step {
  const [step] = state.left
  const { bindings } = state.reading
  const bound = step && bindingsIf(step, prompt, command, bindings)
  if (step === undefined || bound === undefined) {
    const comesLater = state.left.some((each) => bindingsIf(each, prompt, command, bindings))
    throw new PageFailure(misplaced(state, `\`${command}\` ${placeOf(prompt)}`, step, comesLater))
  }
  state.reading.bindings = bound
  state.left.shift()
  return step
}

function misplaced(
  { heading, reading: { file } }: State,
  typed: string,
  step: Step | undefined,
  comesLater: boolean,
): string {
  if (step === undefined)
    return `${typed} is not on the page: "${heading.title}" (${file}:${heading.line}) has no further command`
  const next = `\`${step.command}\` ${placeOf(step)}`
  return comesLater
    ? `${file}:${step.line}: no scenario runs ${next}; the next command of the scenario is ${typed}`
    : `${typed} is not on the page: the next command is at ${file}:${step.line}, ${next}`
}

interface Typed {
  prompt: Prompt
  step: Step
  command: string
}

/** `repeat`: until the command prints what the page shows, or the deadline has passed. */
async function perform(state: State, typed: Typed, run: Typist['type'], repeat: boolean): Promise<string> {
  const { step, command } = typed
  await state.before(command)
  const clock = startClock()
  let result: Result = { output: '', code: 255 }
  const { tries } = await poll(
    async () => {
      result = await run(command)
      return !repeat || shows(step, result.output, state.reading.bindings) || undefined
    },
    repeat ? deadlineMs : 0,
  )
  state.record({ step, command, ...result, ...clock(), ...(repeat && { tries }) })
  check(state, typed, result)
  return result.output
}

/**
 * Binds the page's values to those of the output. Throws a PageFailure when the output is not what the page
 * shows.
 */
function check({ reading }: State, { step, prompt, command }: Typed, { output, code }: Result): void {
  const where = `on ${step.host} \`${command}\``
  if (code !== 0)
    throw new PageFailure(`${reading.file}:${step.line}: ${where} failed with exit code ${code}:\n${output}`)
  const page = shown(step)
  const run = linesOf(output)
  const found = compare(page, run, { anyOrder: step.anyOrder, bindings: reading.bindings })
  const matched = 'bindings' in found
  if (matched) reading.bindings = found.bindings
  const lines = matched ? updatedLines(page, run, found) : run
  reading.update?.push({ step, command, prompt, output: lines })
  if (matched || reading.update !== undefined) return
  throw new PageFailure(
    [
      `${reading.file}:${step.line + 1 + found.index}: the output ${where} differs from the page`,
      `  page: ${page[found.index] ?? '(nothing more)'}`,
      `  run:  ${found.run ?? '(no such line)'}`,
      `  the whole output:\n${run.map((line) => `    ${line}`).join('\n')}`,
    ].join('\n'),
  )
}

/** The bindings if the step is this command at this prompt; else `undefined`. */
function bindingsIf(
  step: Step,
  { host, shell }: Prompt,
  command: string,
  bindings: Bindings,
): Bindings | undefined {
  if (step.host !== host || (step.shell === undefined) !== (shell === undefined)) return undefined
  const now = matchLine(step.command, command, bindings)
  if (now === undefined || step.shell === undefined || shell === undefined) return now
  return bind(now, step.shell, shell)
}

const placeOf = ({ host, shell }: Prompt) =>
  shell === undefined ? `on ${host}` : `on ${host}, at root@${shell}`

const shown = (step: Step) => linesOf(step.output.join('\n'))

function shows(step: Step, output: string, bindings: Bindings): boolean {
  return 'bindings' in compare(shown(step), linesOf(output), { anyOrder: step.anyOrder, bindings })
}

function updatedLines(page: string[], run: string[], { lines }: Match): string[] {
  return page.map((line, i) => (lines[i] === undefined ? line : updatedLine(line, run[lines[i]] ?? '')))
}

/** The template's text as it is typed, without quotes around inserted values. */
function lineOf(pieces: TemplateStringsArray, words: (string | number)[]): string {
  return String.raw(pieces, ...words).trim()
}

function linesOf(output: string): string[] {
  const text = output.trimEnd()
  return text === '' ? [] : text.split('\n').map((line) => line.trimEnd())
}

function startClock(): () => { at: number; ms: number } {
  const at = Date.now()
  const start = performance.now()
  return () => ({ at, ms: performance.now() - start })
}
