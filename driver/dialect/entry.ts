/**
 * The entry of `multihost service` and `multihost docker`. Whatever is wrong is one line, and exit code 1.
 *
 * The docker wrapper asks the driver instead, over the control socket, as long as it can: to start Node takes longer
 * than all the rest. With `--script` the answer is what the driver would answer it.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { asDriverError, DriverError } from '../core/errors.ts'
import { defaultControlSocket as controlSocket, defaultDockerSocket as dockerSocket } from '../sockets.ts'
import { parseCommand } from './command-line.ts'
import { asScript, docker } from './docker.ts'
import { dockerd } from './dockerd.ts'
import { globalFlags } from './flags.ts'
import { service } from './service.ts'

const realDocker = '/usr/bin/docker'

/** The exit code. */
export async function words2015(
  command: 'docker' | 'service',
  args: string[],
  print: (text: string) => void,
): Promise<number> {
  try {
    if (command === 'docker') return await dockerCommand(args, print)
    await service(args, { controlSocket, dockerd: dockerd(dockerSocket), print })
    return 0
  } catch (thrown) {
    const error = asDriverError(thrown)
    complain(`multihost: ${error.code === 'internal' ? (error.stack ?? error.line) : error.line}`)
    return 1
  }
}

async function dockerCommand([first, ...rest]: string[], print: (text: string) => void): Promise<number> {
  const asked = first === '--script'
  const words = asked || first === undefined ? rest : [first, ...rest]
  const environment = process.env
  const context = configuredContext(words, environment)
  const outcome = await docker(words, { controlSocket, dockerSocket, environment, context })
  if (asked) {
    print(asScript(outcome))
    return 0
  }
  for (const text of outcome.out) print(text)
  for (const text of outcome.err) complain(text)
  return typeof outcome.next === 'number' ? outcome.next : call(outcome.next)
}

function complain(text: string): void {
  process.stderr.write(`${text}\n`)
}

function configuredContext(words: string[], environment: NodeJS.ProcessEnv): string | undefined {
  const named = parseCommand(words, globalFlags)?.options.filter(({ name }) => name === 'config')
  try {
    const folder = named?.at(-1)?.value ?? environment.DOCKER_CONFIG ?? `${homedir()}/.docker`
    const text = readFileSync(`${folder}/config.json`, 'utf8')
    return (JSON.parse(text) as { currentContext?: string }).currentContext || undefined
  } catch {
    // No file, or one that docker itself will complain about.
    return undefined
  }
}

function call(words: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(realDocker, words, { stdio: 'inherit' })
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) {
      process.on(signal, () => child.kill(signal))
    }
    child.on('error', (cause) => {
      reject(new DriverError('unavailable', `${realDocker}: ${cause.message}`, { cause }))
    })
    child.on('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)))
  })
}
