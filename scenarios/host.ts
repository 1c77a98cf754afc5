/**
 * A lab host as a scenario sees it: run, succeed, fail, waitUntilSucceeds.
 *
 * Commands are tagged templates: what is inserted becomes one word each, quoted. Waiting is on a condition with
 * a deadline; how long it took is kept for the report. Words after NixOS's test driver.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type Connection, type Result, shellQuote } from '../provision/ssh.ts'
import { ScenarioFailure } from './failure.ts'

type Word = string | number | readonly (string | number)[]
type Command = (pieces: TemplateStringsArray, ...words: Word[]) => Promise<string>

export interface Ran {
  host: string
  command: string
  result: Result
  ms: number
}

export interface Host {
  name: string
  address: string
  /** Runs it and returns what came of it, whatever that is. */
  run(pieces: TemplateStringsArray, ...words: Word[]): Promise<Result>
  /** Runs it, demands exit code 0, returns stdout without the last newline. */
  succeed: Command
  /** Runs it, demands another exit code than 0, returns stderr and stdout. */
  fail: Command
  /** Runs it again and again until it succeeds; fails after the deadline (10 s) with its last words. */
  waitUntilSucceeds: Command
  /** The same with another deadline. */
  within(deadlineMs: number): { waitUntilSucceeds: Command }
}

const defaultDeadlineMs = 10_000
const pauseMs = 50
/** Longest that a single command may take; a scenario that hangs is cut there with its evidence. */
const commandLimitMs = 60_000

export function labHost(
  name: string,
  address: string,
  connection: Connection,
  record: (ran: Ran) => void,
): Host {
  const once = async (command: string): Promise<Ran> => {
    const start = performance.now()
    const result = await connection.exec(command, { timeoutMs: commandLimitMs })
    const ran = { host: name, command, result, ms: performance.now() - start }
    record(ran)
    return ran
  }
  const waiting =
    (deadlineMs: number): Command =>
    async (pieces, ...words) => {
      const command = commandLine(pieces, words)
      const start = performance.now()
      for (;;) {
        const ran = await once(command)
        if (ran.result.code === 0) return trimmed(ran.result.stdout)
        const waited = performance.now() - start
        if (waited > deadlineMs)
          throw new ScenarioFailure(ran, `still fails after ${(waited / 1000).toFixed(1)} s`)
        await delay(pauseMs)
      }
    }
  return {
    name,
    address,
    run: async (pieces, ...words) => (await once(commandLine(pieces, words))).result,
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
