/**
 * `multihost docker WORDS…`: docker's command line with the words of 2015.
 *
 * What is translated is done here or becomes another call of docker, which the wrapper makes (`MULTIHOST_PLAN`: the
 * descriptor on which it reads it); without a wrapper it is made from here. Everything else is docker's.
 */
import { spawn } from 'node:child_process'
import { readFileSync, writeSync } from 'node:fs'
import { homedir } from 'node:os'
import { DriverError, isCode } from '../../core/errors.ts'
import { inSwarmMode } from '../../engine/swarm.ts'
import { dockerd } from '../dockerd.ts'
import { service } from '../service.ts'
import { globalFlags } from './flags.ts'
import { createNetwork, type DockerTools, listNetworks, removeNetworks, withLocalIds } from './networks.ts'
import { translateRun } from './run.ts'
import { type Command, type Option, parseCommand, shellWords } from './words.ts'

export interface DockerOptions {
  docker: string
  controlSocket: string
  dockerSocket: string
  /** Descriptor that the wrapper reads the call from. */
  planFd?: number
  environment: Readonly<Record<string, string | undefined>>
  print(text: string): void
  complain(text: string): void
}

/** The exit code. */
export async function docker(words: string[], options: DockerOptions): Promise<number> {
  const command = parseCommand(words, globalFlags)
  if (
    command === undefined ||
    isElsewhere(command.options, options.environment) ||
    (await isSwarm(options))
  ) {
    return call(words, options)
  }
  const tools: DockerTools = { ...options, dockerd: dockerd(options.dockerSocket), globals: command.globals }
  return translate(command, words, tools, options)
}

async function translate(
  { name, rest, globals }: Command,
  words: string[],
  tools: DockerTools,
  options: DockerOptions,
): Promise<number> {
  const [group, sub = ''] = name.split(' ')
  const instead = (changed: string[] | undefined): Promise<number> =>
    call(changed === undefined ? words : [...globals, ...name.split(' '), ...changed], options)
  switch (name) {
    case 'run':
    case 'create':
    case 'container run':
    case 'container create':
      return instead(await translateRun(rest, tools))
    case 'network ls':
    case 'network list':
      return (await orDocker(() => listNetworks(rest, tools), false, tools)) ? 0 : call(words, options)
    case 'network rm':
    case 'network remove': {
      const removed = await removeNetworks(rest, tools)
      return removed === undefined ? call(words, options) : removed ? 0 : 1
    }
    case 'network create':
      return (await createNetwork(rest, tools)) ?? call(words, options)
    case 'network inspect':
    case 'network connect':
    case 'network disconnect':
      return instead(await orDocker(() => withLocalIds(sub, rest, tools), undefined, tools))
  }
  if (group !== 'service') return call(words, options)
  await service(sub === '' ? rest : [sub, ...rest], tools)
  return 0
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
function isElsewhere(options: readonly Option[], environment: DockerOptions['environment']): boolean {
  const given = (...names: string[]): string | undefined =>
    options.filter(({ name }) => names.includes(name)).at(-1)?.value
  const context = given('context', 'c')
  if (context !== undefined) return context !== 'default'
  const host = given('host', 'H') ?? environment.DOCKER_HOST
  if (host !== undefined && host !== '') return !localSockets.includes(host)
  const chosen = environment.DOCKER_CONTEXT || configuredContext(given('config'), environment)
  return chosen !== undefined && chosen !== 'default'
}

function configuredContext(
  folder: string | undefined,
  environment: DockerOptions['environment'],
): string | undefined {
  try {
    const path = `${folder ?? environment.DOCKER_CONFIG ?? `${homedir()}/.docker`}/config.json`
    return (JSON.parse(readFileSync(path, 'utf8')) as { currentContext?: string }).currentContext || undefined
  } catch {
    // No file, or one that docker itself will complain about.
    return undefined
  }
}

function call(words: string[], { docker, planFd }: DockerOptions): Promise<number> {
  if (planFd !== undefined) {
    writeSync(planFd, shellWords(words))
    return Promise.resolve(0)
  }
  return new Promise((resolve, reject) => {
    const child = spawn(docker, words, { stdio: 'inherit' })
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) {
      process.on(signal, () => child.kill(signal))
    }
    child.on('error', (cause) =>
      reject(new DriverError('unavailable', `${docker}: ${cause.message}`, { cause })),
    )
    child.on('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)))
  })
}
