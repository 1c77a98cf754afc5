/**
 * `multihost docker`, `multihost network` and `multihost service`. Every error is one line, with exit code 1.
 *
 * The docker wrapper asks the driver over its control socket while it can, since Node takes longer to start
 * than all the rest. `multihost docker --script` prints the script that the driver would answer.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { asDriverError, DriverError } from '../core/errors.ts'
import { engineClient } from '../engine/client.ts'
import { dockerCommands } from '../engine/docker-commands.ts'
import { defaultControlSocket, defaultDockerSocket } from '../sockets.ts'
import { callsOverSocket } from './calls-over-socket.ts'
import { globalFlags } from './docker-options.ts'
import type { NetworkTools } from './make-default-network.ts'
import { optionsNamed, parseCommand } from './parse-command-line.ts'
import { serviceCommand } from './service-commands.ts'
import { asScript, translateCommand } from './translate.ts'

const realDocker = '/usr/bin/docker'

/** Returns the exit code. */
export async function multihostDocker(
  command: 'docker' | 'network' | 'service',
  args: string[],
  print: (text: string) => void,
): Promise<number> {
  const client = engineClient(defaultDockerSocket)
  const tools = { calls: callsOverSocket(defaultControlSocket), docker: dockerCommands(client) }
  try {
    if (command === 'docker') return await dockerCommand(args, tools, print)
    if (command === 'network') return await dockerCommand(['network', ...args], tools, print)
    await serviceCommand(args, { ...tools, print })
    return 0
  } catch (thrown) {
    const error = asDriverError(thrown)
    complain(`multihost: ${error.code === 'internal' ? (error.stack ?? error.line) : error.line}`)
    return 1
  } finally {
    client.close()
  }
}

async function dockerCommand(
  [first, ...rest]: string[],
  tools: NetworkTools,
  print: (text: string) => void,
): Promise<number> {
  const wantsScript = first === '--script'
  const words = wantsScript || first === undefined ? rest : [first, ...rest]
  const environment = process.env
  const context = configuredContext(words, environment)
  const outcome = await translateCommand(words, { ...tools, environment, context })
  if (wantsScript) {
    print(asScript(outcome))
    return 0
  }
  for (const text of outcome.out) print(text)
  for (const text of outcome.err) complain(text)
  return typeof outcome.next === 'number' ? outcome.next : runDocker(outcome.next)
}

function complain(text: string): void {
  process.stderr.write(`${text}\n`)
}

function configuredContext(words: string[], environment: NodeJS.ProcessEnv): string | undefined {
  const named = optionsNamed(parseCommand(words, globalFlags)?.options ?? [], 'config')
  try {
    const folder = named.at(-1)?.value ?? environment.DOCKER_CONFIG ?? `${homedir()}/.docker`
    const text = readFileSync(`${folder}/config.json`, 'utf8')
    return (JSON.parse(text) as { currentContext?: string }).currentContext || undefined
  } catch {
    // There is no file, or docker itself will complain about it.
    return undefined
  }
}

function runDocker(words: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(realDocker, words, { stdio: 'inherit' })
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) {
      process.on(signal, () => child.kill(signal))
    }
    child.on('error', (cause) => {
      reject(new DriverError('unavailable', `${realDocker} cannot be run: ${cause.message}`, { cause }))
    })
    child.on('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)))
  })
}
