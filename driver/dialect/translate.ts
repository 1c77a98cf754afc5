/**
 * A docker command in the words of 2015: what needs translation is done here, or becomes another call of
 * docker.
 *
 * The same code runs in the daemon, which the docker wrapper asks, and in `multihost docker`. The caller runs
 * docker itself, so a container's terminal, signals and exit code are docker's own.
 */
import { DriverError, isCode } from '../core/errors.ts'
import { globalFlags } from './docker-options.ts'
import type { NetworkTools } from './make-default-network.ts'
import {
  createNetwork,
  type DockerTools,
  listNetworks,
  removeNetworks,
  withLocalIds,
} from './network-commands.ts'
import { type Command, type Option, optionsNamed, parseCommand, shellWords } from './parse-command-line.ts'
import { translateRun } from './run-and-create.ts'
import { serviceCommand } from './service-commands.ts'

export interface TranslateOptions extends NetworkTools {
  /** The user's environment variables. */
  environment: Readonly<Record<string, string | undefined>>
  /** The context that the user's docker configuration names. */
  context?: string | undefined
}

/** Lines to print, and then: an exit code, or the words that docker is to be called with. */
export interface Outcome {
  out: string[]
  err: string[]
  next: number | string[]
}

/** A DriverError is an outcome: its line is in `err`. */
export async function translateCommand(words: string[], options: TranslateOptions): Promise<Outcome> {
  const outcome: Outcome = { out: [], err: [], next: words }
  const command = parseCommand(words, globalFlags)
  if (command === undefined || isElsewhere(command.options, options) || (await isSwarm(options))) {
    return outcome
  }
  const { calls, docker } = options
  const complain = (text: string): void => void outcome.err.push(`multihost: ${text}`)
  const tools: DockerTools = { calls, docker, complain, print: (text) => void outcome.out.push(text) }
  try {
    outcome.next = (await translate(command, tools)) ?? words
  } catch (error) {
    if (!(error instanceof DriverError)) throw error
    complain(error.line)
    outcome.next = 1
  }
  return outcome
}

/** Undefined: docker is called with the user's words. */
async function translate(
  { name, rest, globals }: Command,
  tools: DockerTools,
): Promise<number | string[] | undefined> {
  const [group, sub = ''] = name.split(' ')
  const instead = (changed: string[] | undefined): string[] | undefined =>
    changed && [...globals, ...name.split(' '), ...changed]
  switch (name) {
    case 'run':
    case 'create':
    case 'container run':
    case 'container create':
      return instead(await translateRun(rest, tools))
    case 'network ls':
    case 'network list':
      return (await orDocker(() => listNetworks(rest, tools), false, tools)) ? 0 : undefined
    case 'network rm':
    case 'network remove':
      return exitCode(await removeNetworks(rest, tools))
    case 'network create':
      return (await createNetwork(rest, tools)) ? 0 : undefined
    case 'network inspect':
    case 'network connect':
    case 'network disconnect':
      return instead(await orDocker(() => withLocalIds(sub, rest, tools), undefined, tools))
  }
  if (group !== 'service') return undefined
  await serviceCommand(sub === '' ? rest : [sub, ...rest], tools)
  return 0
}

function exitCode(succeeded: boolean | undefined): number | undefined {
  return succeeded === undefined ? undefined : succeeded ? 0 : 1
}

/** Without the driver, docker answers with the ids of this host. */
async function orDocker<T>(work: () => Promise<T>, otherwise: T, { complain }: DockerTools): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isCode(error, 'unavailable')) throw error
    complain(`${error.line}; docker shows the ids of this host`)
    return otherwise
  }
}

/** True as well when the user may not use the engine: docker itself then says so. */
async function isSwarm({ docker }: TranslateOptions): Promise<boolean> {
  return docker.inSwarmMode().catch(() => true)
}

const localSockets = ['unix:///var/run/docker.sock', 'unix:///run/docker.sock']

/** The command is for another engine than this host's. */
function isElsewhere(options: readonly Option[], { environment, context }: TranslateOptions): boolean {
  const given = (...names: string[]): string | undefined => optionsNamed(options, ...names).at(-1)?.value
  const asked = given('context', 'c')
  if (asked !== undefined) return asked !== 'default'
  const host = given('host', 'H') ?? environment.DOCKER_HOST
  if (host !== undefined && host !== '') return !localSockets.includes(host)
  const chosen = environment.DOCKER_CONTEXT || context
  return chosen !== undefined && chosen !== 'default'
}

/** The outcome as a script, in which `$docker` is the real command. */
export function asScript({ out, err, next }: Outcome): string {
  const say = (text: string): string => `printf '%s\\n' ${shellWords([text])}`
  return [
    ...out.filter((text) => text !== '').map((text) => say(text.replace(/\n$/, ''))),
    ...err.map((text) => `${say(text)} >&2`),
    typeof next === 'number' ? `exit ${next}` : `exec "$docker" ${shellWords(next)}`,
  ].join('\n')
}
