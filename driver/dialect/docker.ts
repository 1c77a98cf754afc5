/**
 * Docker's command line with the words of 2015: what is translated is done, or becomes another call of docker.
 *
 * The same for the driver, which is asked by the wrapper and need not be started, and for `multihost docker`. Whoever
 * asks makes the call, so that a container's terminal, signals and exit code are docker's own.
 */
import { DriverError, isCode } from '../core/errors.ts'
import { inSwarmMode } from '../engine/swarm.ts'
import { type Command, type Option, parseCommand, shellWords } from './command-line.ts'
import { dockerd } from './dockerd.ts'
import { globalFlags } from './flags.ts'
import {
  createNetwork,
  type DockerTools,
  listNetworks,
  removeNetworks,
  withLocalIds,
} from './network-commands.ts'
import { translateRun } from './run.ts'
import { service } from './service.ts'

export interface DockerOptions {
  controlSocket: string
  dockerSocket: string
  /** Of the user. */
  environment: Readonly<Record<string, string | undefined>>
  /** The context that the user's configuration names. */
  context?: string | undefined
}

/** What to print, and then: the exit code, or docker's words. */
export interface Outcome {
  out: string[]
  err: string[]
  next: number | string[]
}

/** Never throws for what is wrong with the words: that is an outcome. */
export async function docker(words: string[], options: DockerOptions): Promise<Outcome> {
  const [out, err]: [string[], string[]] = [[], []]
  const complain = (text: string): void => void err.push(`multihost: ${text}`)
  const command = parseCommand(words, globalFlags)
  if (command === undefined || isElsewhere(command.options, options) || (await isSwarm(options))) {
    return { out, err, next: words }
  }
  const tools: DockerTools = {
    controlSocket: options.controlSocket,
    dockerd: dockerd(options.dockerSocket),
    print: (text) => void out.push(text),
    complain,
  }
  try {
    return { out, err, next: (await translate(command, tools)) ?? words }
  } catch (error) {
    if (!(error instanceof DriverError)) throw error
    complain(error.line)
    return { out, err, next: 1 }
  }
}

/** Undefined: docker with the words as they are. */
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
      return codeOf(await removeNetworks(rest, tools))
    case 'network create':
      return (await createNetwork(rest, tools)) ? 0 : undefined
    case 'network inspect':
    case 'network connect':
    case 'network disconnect':
      return instead(await orDocker(() => withLocalIds(sub, rest, tools), undefined, tools))
  }
  if (group !== 'service') return undefined
  await service(sub === '' ? rest : [sub, ...rest], tools)
  return 0
}

function codeOf(done: boolean | undefined): number | undefined {
  return done === undefined ? undefined : done ? 0 : 1
}

/** Without the driver these still say something, only with the ids of this host. */
async function orDocker<T>(work: () => Promise<T>, otherwise: T, { complain }: DockerTools): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isCode(error, 'unavailable')) throw error
    complain(`${error.line}; ids are those of this host`)
    return otherwise
  }
}

/** Who may not ask the engine hears so from docker itself. */
async function isSwarm({ dockerSocket }: DockerOptions): Promise<boolean> {
  return inSwarmMode(dockerSocket).catch(() => true)
}

const localSockets = ['unix:///var/run/docker.sock', 'unix:///run/docker.sock']

/** The command is for another engine than this host's. */
function isElsewhere(options: readonly Option[], { environment, context }: DockerOptions): boolean {
  const given = (...names: string[]): string | undefined =>
    options.filter(({ name }) => names.includes(name)).at(-1)?.value
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
