/**
 * The steps of a scenario: its commands in their order. The tries of one wait are a single step. A command
 * that runs in a container carries the container's name.
 */
import type { CommandEvent, WaitEvent } from '../record/events.ts'

export interface Step extends Omit<CommandEvent, 'kind' | 'scenario'> {
  /** Name of the container that the command runs in. */
  container?: string
  /** Number of tries, and whether the condition came true. */
  wait?: { tries: number; held: boolean }
}

export function stepsOf(
  commands: readonly CommandEvent[],
  waits: readonly WaitEvent[],
  names: ReadonlyMap<string, string>,
): Step[] {
  const byTime = [...commands].sort((a, b) => a.at - b.at)
  const tries = new Map<CommandEvent, WaitEvent>()
  for (const wait of waits) for (const command of triesOf(wait, byTime)) tries.set(command, wait)
  const last = new Map([...tries].map(([command, wait]) => [wait, command]))
  return byTime.flatMap((command) => {
    const wait = tries.get(command)
    if (wait === undefined) return [step(command, names)]
    if (last.get(wait) !== command) return []
    const { at, ms, tries: count, held } = wait
    return [{ ...step(command, names), at, ms, wait: { tries: count, held } }]
  })
}

/** Container id → name, for containers that were started with `--name`. */
export function containerNames(commands: readonly CommandEvent[]): Map<string, string> {
  return new Map(
    commands.flatMap(({ command, stdout }) => {
      const name = /^docker run .*?--name '?([\w.-]+)/.exec(command)?.[1]
      const id = stdout.trim()
      return name !== undefined && /^[0-9a-f]{64}$/.test(id) ? [[id, name] as const] : []
    }),
  )
}

/** The commands on the wait's host and in its time that equal the first of them. */
function triesOf(wait: WaitEvent, byTime: readonly CommandEvent[]): CommandEvent[] {
  const during = byTime.filter(
    ({ host, at, ms }) => host === wait.host && at >= wait.at && at + ms <= wait.at + wait.ms + clockStepMs,
  )
  return during.filter(({ command }) => command === during[0]?.command).slice(0, wait.tries)
}

/** Start times are whole milliseconds, durations are not. */
const clockStepMs = 2

function step(event: CommandEvent, names: ReadonlyMap<string, string>): Step {
  const { host, code, stdout, stderr, at, ms, line } = event
  return {
    host,
    ...inContainer(event.command, names),
    code,
    stdout,
    stderr,
    at,
    ms,
    ...(line !== undefined && { line }),
  }
}

/** `docker exec ID sh -c 'ping -c1 two'` → `ping -c1 two` in that container. */
function inContainer(
  command: string,
  names: ReadonlyMap<string, string>,
): Pick<Step, 'command' | 'container'> {
  const [, id = '', quoted = ''] = /^docker exec '?([0-9a-f]{64})'? sh -c (.+)$/s.exec(command) ?? []
  const container = names.get(id)
  return container === undefined ? { command } : { command: unquoted(quoted), container }
}

/** Removes a shell's single quotes around a word. */
function unquoted(word: string): string {
  return /^'.*'$/s.test(word) ? word.slice(1, -1).replaceAll("'\\''", "'") : word
}
