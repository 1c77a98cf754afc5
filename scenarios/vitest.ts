/**
 * vitest as a child process, on chosen scenario files.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { text } from 'node:stream/consumers'
import { LabError } from '../provision/process/errors.ts'
import { checkInterrupted } from '../provision/process/interruption.ts'
import { root, scenarioRoot } from './record/folder.ts'

export interface VitestRun {
  /** Paths from the folder of the scenarios. */
  files: readonly string[]
  /** Chooses the lab and the subject. */
  environment: Record<string, string>
  /** Runs only scenarios whose titles match this regular expression. */
  pattern: string | undefined
  /** Stops after the first failure. */
  bail: boolean
}

let running: ChildProcess | undefined

/** Resolves with vitest's exit code. */
export function runVitest({ files, environment, pattern, bail }: VitestRun): Promise<number> {
  const reporters = ['--reporter=default', `--reporter=${root}scenarios/record/reporter.ts`]
  const args = [
    'run',
    ...reporters,
    ...(bail ? ['--bail=1'] : []),
    ...patternArgs(pattern),
    ...absolute(files),
  ]
  const child = start(args, environment, 'inherit')
  running = child
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}

/** Kills vitest and its workers, if they run. */
export function endVitest(): void {
  if (running?.pid === undefined || running.exitCode !== null) return
  try {
    process.kill(-running.pid, 'SIGKILL') // no need to wait for vitest: the parent takes the lab down
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Titles by file, in the order of a run. Runs no scenario and needs no lab. */
export async function listScenarios({
  files,
  environment,
  pattern,
}: VitestRun): Promise<Map<string, string[]>> {
  // `--json` comes last: vitest would write to a file whose name follows it.
  const child = start(['list', ...patternArgs(pattern), ...absolute(files)], environment, 'pipe', ['--json'])
  running = child
  const output = child.stdout === null ? '' : await text(child.stdout)
  checkInterrupted()
  const found = listedIn(output)
  const titles = new Map<string, string[]>(files.map((file) => [file, []]))
  for (const { name, file } of found) titles.get(relative(scenarioRoot(), file))?.push(name)
  return titles
}

/** The scenarios in the output of `vitest list`, which prints `[]` when no title matches. */
export function listedIn(output: string): { name: string; file: string }[] {
  const json = /^\[(?:\]$|.*^\])/ms.exec(output)?.[0]
  if (json === undefined)
    throw new LabError(`the scenarios cannot be loaded: ${output.trim() || "vitest's words are above"}`)
  return JSON.parse(json)
}

const absolute = (files: readonly string[]) => files.map((file) => join(scenarioRoot(), file))
const patternArgs = (pattern: string | undefined): string[] => (pattern === undefined ? [] : ['-t', pattern])

/** Vite's usual loader of its settings writes into node_modules, which may be another user's, or read-only. */
function loader(packages: string): string[] {
  try {
    accessSync(dirname(packages), constants.W_OK)
    return []
  } catch {
    return ['--configLoader', 'runner']
  }
}

/**
 * In a process group of its own: signals reach vitest through `endVitest` alone. `ipc`: the reporter ends
 * that group when this process is killed. `last`: options at the end of the line.
 */
function start(
  args: readonly string[],
  environment: Record<string, string>,
  stdout: 'inherit' | 'pipe',
  last: readonly string[] = [],
) {
  const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
  const options = [...loader(dirname(vitest)), '--project', 'scenarios']
  return spawn(process.execPath, [vitest, ...args, ...options, ...last], {
    cwd: root,
    detached: true,
    stdio: ['ignore', stdout, 'inherit', 'ipc'],
    env: { ...process.env, ...environment },
  })
}
