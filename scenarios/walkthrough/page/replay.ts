/**
 * Replaying the page, heading after heading: every command that a scenario types must be the page's next, at the page's
 * prompt, and print what the page shows.
 *
 * A failure is of one of three kinds, each with its line in the page: the page has a command that nothing ran; the
 * scenario typed one that is not on the page; the output is another.
 */

import { poll } from '../../../provision/process/until.ts'
import type { Typist } from '../../kit/host.ts'
import { type Terminal, terminal } from '../../kit/terminal.ts'
import { compare, type Match, type Meanings, matchLine, retaken, withMeaning } from './matcher.ts'
import type { Heading, Step } from './page.ts'

/** The page while it is read: what its values mean in this run. */
export interface Reading {
  /** For messages. */
  file: string
  meanings: Meanings
  /** Outputs of the run that are to take the place of the page's; `undefined` when they are to be compared. */
  update: Taken[] | undefined
}

export interface Taken {
  step: Step
  command: string
  prompt: Prompt
  output: string[]
}

/** What came of a step. */
export interface Replayed {
  step: Step
  command: string
  output: string
  code: number
  at: number
  ms: number
  /** How often it was typed until it printed what the page shows; for what comes about by itself. */
  tries?: number
}

type Line<T> = (pieces: TemplateStringsArray, ...words: (string | number)[]) => Promise<T>

/** At a host's prompt. */
export interface AtHost {
  /** Types the page's next command, which must succeed. Resolves with its output. */
  types: Line<string>
  /** The same again and again until its output is the page's, for what comes about by itself. */
  eventually: Line<string>
  /** Types a command that leads to another prompt: a container's, or a host's. */
  enters: Line<Shell>
  /** Types a command that goes on while others are typed; `ready` is what it says when it has begun. */
  starts(ready: RegExp): Line<Ending>
}

/** At the prompt that a command has led to. */
export interface Shell {
  /** From the prompt: the first twelve digits of the container's id, or the host's name. */
  name: string
  types: Line<string>
  eventually: Line<string>
}

export interface Ending {
  /** Waits for its end. Resolves with its output. */
  ends(): Promise<string>
}

export interface Replay {
  /** What is typed from here on stands below this heading, also in shells that were entered before. */
  begin(heading: Heading): void
  at(typist: Typist): AtHost
  /** Throws when the heading has a command that was not typed. */
  finish(): void
  /** Ends the shells that are still open, when the page is not replayed to its end. */
  leave(): Promise<void>
}

export class PageFailure extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'PageFailure'
    this.stack = `${this.name}: ${message}` // the place is on the page, not in the code
  }
}

/** A host's own prompt, or that of a shell on it. */
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

/** Moves `reading` on; tells each step when it has been run, and `before` it is typed. */
export function replayOf(
  reading: Reading,
  told: (replayed: Replayed) => void,
  before: (command: string) => Promise<void> = async () => undefined,
): Replay {
  let heading: Heading = { title: '', level: 0, line: 0, steps: [] }
  let left: Step[] = []
  const shells: Terminal[] = []

  /** The page's next step, which must be this one. */
  function take(prompt: Prompt, command: string): Step {
    const [step] = left
    const means = step && meaningsIf(step, prompt, command, reading.meanings)
    if (step === undefined || means === undefined) {
      const later = left.some((each) => meaningsIf(each, prompt, command, reading.meanings))
      throw new PageFailure(misplaced(`\`${command}\` ${placeOf(prompt)}`, step, later))
    }
    reading.meanings = means
    left.shift()
    return step
  }

  function misplaced(typed: string, step: Step | undefined, later: boolean): string {
    if (step === undefined)
      return `${typed} is not on the page: "${heading.title}" (${reading.file}:${heading.line}) has no further command`
    const next = `\`${step.command}\` ${placeOf(step)}`
    return later
      ? `${reading.file}:${step.line}: no scenario runs ${next}; the next that one runs is ${typed}`
      : `${typed} is not on the page: what comes next is at ${reading.file}:${step.line}, ${next}`
  }

  /** Takes in what was printed; throws when it is not what the page shows. */
  function read(step: Step, prompt: Prompt, command: string, { output, code }: Result): void {
    const where = `on ${step.host} \`${command}\``
    if (code !== 0)
      throw new PageFailure(
        `${reading.file}:${step.line}: ${where} failed with exit code ${code}:\n${output}`,
      )
    const [page, run] = [shown(step), linesOf(output)]
    const found = compare(page, run, { anyOrder: step.anyOrder, meanings: reading.meanings })
    const matched = 'meanings' in found
    if (matched) reading.meanings = found.meanings
    const lines = matched ? retakenLines(page, run, found) : run
    reading.update?.push({ step, command, prompt, output: lines })
    if (matched || reading.update !== undefined) return
    throw new PageFailure(
      [
        `${reading.file}:${step.line + 1 + found.index}: ${where} printed something else than the page shows`,
        `  page: ${page[found.index] ?? '(nothing more)'}`,
        `  run:  ${found.run ?? '(no such line)'}`,
        `  all of it:\n${run.map((line) => `    ${line}`).join('\n')}`,
      ].join('\n'),
    )
  }

  /** `patient`: until it prints what the page shows, or the deadline has passed. */
  async function perform(prompt: Prompt, step: Step, command: string, run: Typist['type'], patient: boolean) {
    await before(command)
    const clock = started()
    let result: Result = { output: '', code: 255 }
    const { tries } = await poll(
      async () => {
        result = await run(command)
        return !patient || shows(step, result.output, reading.meanings) || undefined
      },
      patient ? deadlineMs : 0,
    )
    told({ step, command, ...result, ...clock(), ...(patient ? { tries } : {}) })
    read(step, prompt, command, result)
    return result.output
  }

  const typing =
    (prompt: Prompt, run: Typist['type'], patient: boolean): Line<string> =>
    (pieces, ...words) => {
      const command = lineOf(pieces, words)
      return perform(prompt, take(prompt, command), command, run, patient)
    }

  function shell(host: string, name: string, screen: Terminal): Shell {
    const run = async (line: string) => ({ output: await screen.type(line), code: 0 })
    const prompt = { host, shell: name }
    shells.push(screen)
    return { name, types: typing(prompt, run, false), eventually: typing(prompt, run, true) }
  }

  const entering =
    (prompt: Prompt, open: Typist['open']): Line<Shell> =>
    async (pieces, ...words) => {
      const command = lineOf(pieces, words)
      const step = take(prompt, command)
      const clock = started()
      const screen = terminal(await open(command), `${prompt.host}: ${command}`, shellPrompt)
      const seen = await screen.prompted()
      const name = shellPrompt.exec(seen)?.groups?.name
      const output = screen.printed().slice(0, screen.printed().length - seen.length)
      const result = { output, code: name === undefined ? (await screen.ended()).code || 1 : 0 }
      told({ step, command, ...result, ...clock() })
      read(step, prompt, command, result)
      return shell(prompt.host, name ?? '', screen)
    }

  const starting =
    (prompt: Prompt, open: Typist['open'], ready: RegExp): Line<Ending> =>
    async (pieces, ...words) => {
      const command = lineOf(pieces, words)
      const step = take(prompt, command)
      const screen = terminal(await open(command), `${prompt.host}: ${command}`, ready)
      await screen.prompted()
      return { ends: () => perform(prompt, step, command, screen.ended, false) }
    }

  return {
    begin(next) {
      heading = next
      left = [...next.steps]
    },
    at: ({ name: host, type, open }) => ({
      types: typing({ host }, type, false),
      eventually: typing({ host }, type, true),
      enters: entering({ host }, open),
      starts: (ready) => starting({ host }, open, ready),
    }),
    finish() {
      const [step] = left
      if (step === undefined) return
      throw new PageFailure(
        `${reading.file}:${step.line}: no scenario runs \`${step.command}\` on ${step.host}`,
      )
    },
    async leave() {
      await Promise.allSettled(shells.map((screen) => screen.leave())) // a host may be gone with its shell
    },
  }
}

/** What the page's values mean if the step is this one; `undefined` if it is not. */
function meaningsIf(
  step: Step,
  { host, shell }: Prompt,
  command: string,
  meanings: Meanings,
): Meanings | undefined {
  if (step.host !== host || (step.shell === undefined) !== (shell === undefined)) return undefined
  const now = matchLine(step.command, command, meanings)
  if (now === undefined || step.shell === undefined || shell === undefined) return now
  return withMeaning(now, step.shell, shell)
}

const placeOf = ({ host, shell }: Prompt) =>
  shell === undefined ? `on ${host}` : `on ${host}, at root@${shell}`

const shown = (step: Step) => linesOf(step.output.join('\n'))

function shows(step: Step, output: string, meanings: Meanings): boolean {
  return 'meanings' in compare(shown(step), linesOf(output), { anyOrder: step.anyOrder, meanings })
}

function retakenLines(page: string[], run: string[], { lines }: Match): string[] {
  return page.map((line, i) => (lines[i] === undefined ? line : retaken(line, run[lines[i]] ?? '')))
}

/** The template's text as it is typed, without quotes around what was inserted. */
function lineOf(pieces: TemplateStringsArray, words: (string | number)[]): string {
  return String.raw(pieces, ...words).trim()
}

function linesOf(output: string): string[] {
  const text = output.trimEnd()
  return text === '' ? [] : text.split('\n').map((line) => line.trimEnd())
}

function started(): () => { at: number; ms: number } {
  const [at, start] = [Date.now(), performance.now()]
  return () => ({ at, ms: performance.now() - start })
}
