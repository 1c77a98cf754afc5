/**
 * A provisioning step: a title, a check whether it holds, and how to make it hold.
 *
 * Steps run in order on one host, over ssh. A step that holds is not applied, so a second run changes
 * nothing. A step that does not hold after it was applied is an error.
 */
import { createHash } from 'node:crypto'
import type { Programs } from '../images/programs.ts'
import type { Lab, LabHost } from '../lab/definition.ts'
import type { Secrets } from '../lab/secrets.ts'
import { LabError, messageOf } from '../process/errors.ts'
import { quietLabCommand } from '../process/lab-command.ts'
import { shellQuote } from '../process/quote.ts'
import { timeoutScale } from '../process/timeout-scale.ts'
import type { Connection } from '../ssh/connection.ts'
import { type RemoteShell, shellOn } from '../ssh/shell.ts'

/** Where a step runs, and with what settings. */
export interface Target {
  lab: Lab
  host: LabHost
  connection: Connection
  /** Of a secure lab. */
  secrets?: Secrets | undefined
  /** Version of the Docker engine that was asked for: `28`. */
  engine?: string | undefined
  /** Programs of --engine-from and --consul-from. */
  programs: Programs
}

export interface StepContext extends Omit<Target, 'connection'> {
  /** zx on the host, as root. */
  $: RemoteShell
  upload: Connection['upload']
}

export interface Step {
  title: string
  holds(context: StepContext): Promise<boolean>
  apply(context: StepContext): Promise<void>
}

/** Resolves with whether the step changed something. */
export async function take(step: Step, target: Target): Promise<boolean> {
  const { host } = target
  const context = contextOn(target)
  try {
    if (await step.holds(context)) return false
    await step.apply(context)
    if (await step.holds(context)) return true
  } catch (error) {
    if (error instanceof LabError) throw error
    throw new LabError(`${host.name}: ${step.title}: ${words(error)}`, { cause: error })
  }
  throw new LabError(`${host.name}: ${step.title}: was applied, and its check still fails`)
}

export function contextOn({ connection, ...settings }: Target): StepContext {
  return { ...settings, $: shellOn(connection), upload: connection.upload }
}

export interface RemoteFile {
  path: string
  content: string | Buffer
  mode?: string
}

/** True when every file is on the host with this content. */
export async function filesHold({ $ }: StepContext, files: readonly RemoteFile[]): Promise<boolean> {
  if (files.length === 0) return true // sha256sum calls an empty list an error
  const sums = files.map(({ path, content }) => `${sha256(content)}  ${path}`).join('\n')
  return (await $`sha256sum --check --status <<< ${sums}`.nothrow()).exitCode === 0
}

export async function writeFiles({ upload }: StepContext, files: readonly RemoteFile[]): Promise<void> {
  for (const { path, content, mode } of files) await upload(path, content, mode)
}

/** A person's file: its mode and owner stay, and a link keeps its target. */
export async function rewriteFile(context: StepContext, path: string, content: string): Promise<void> {
  const { $ } = context
  const target = (await $`[ ! -L ${path} ] || readlink -m ${path}`).stdout.trim()
  const place = target === '' ? path : target
  const before = (await $`[ ! -e ${place} ] || stat -c '%a %u:%g' ${place}`).stdout.trim()
  const [mode, owner] = before === '' ? [] : before.split(' ')
  await writeFiles(context, [{ path: place, content, ...(mode !== undefined && { mode }) }])
  if (owner !== undefined && owner !== '0:0') await $`chown ${owner} ${place}`
}

/** True when the command succeeds. */
export async function succeeds({ $ }: StepContext, command: string): Promise<boolean> {
  return (await $`bash -c ${command}`.nothrow()).exitCode === 0
}

/**
 * Shell that succeeds when the unit is enabled and active, and `answers` succeeds. Waits for a unit that is
 * activating: on a host that has just booted, applying the step would interrupt its start.
 */
export function unitRuns(unit: string, answers: string, deadlineMs = 20_000 * timeoutScale): string {
  const look = `case $(systemctl show -p ActiveState --value ${unit}) in active) ${answers} && exit 0;; activating);; *) exit 1;; esac`
  return `systemctl -q is-enabled ${unit} || exit 1; ${begin(deadlineMs)}; while :; do ${look}; ${inTime} || exit 1; sleep 0.1; done`
}

/**
 * Shell that succeeds when the unit's main process was started with the variable as the file of assignments
 * has it now, and its command has the options. Quotes and blanks do not count: systemd splits the value.
 */
export function startedWith(unit: string, variable: string, file: string): string {
  const process = `/proc/$(systemctl show -p MainPID --value ${unit})`
  const inEnvironment = `grep -zqxF "${variable}=$${variable}" ${process}/environ`
  const flat = `tr -d "'\\0 \\t\\n"`
  const inCommand = `[[ $(${flat} < ${process}/cmdline) == *"$(${flat} <<< "$${variable}")"* ]]`
  return `( . ${file} && ${inEnvironment} && ${inCommand} )`
}

/**
 * Runs the command on the host until it succeeds; `what` completes "… within N s". All hosts of a lab boot at
 * once, and Consul elects a leader when its last server has.
 */
export async function until(
  { $, host }: StepContext,
  command: string,
  what: string,
  deadlineMs = 60_000 * timeoutScale,
): Promise<void> {
  const loop = `${begin(deadlineMs)}; until ${command}; do ${inTime} || exit 1; sleep 0.05; done`
  const result = await $`bash -c ${loop}`.nothrow()
  if (result.exitCode === 0) return
  throw new LabError(
    `${host.name}: ${what} within ${deadlineMs / 1000} s: ${(result.stderr || result.stdout).trim().split('\n').at(-1)}`,
    {
      hint: `try: ${quietLabCommand} exec ${host.name} ${shellQuote(command)}`,
    },
  )
}

const begin = (deadlineMs: number): string => `end=$(( $(date +%s%N) / 1000000 + ${deadlineMs} ))`
const inTime = '[ $(( $(date +%s%N) / 1000000 )) -lt $end ]'

function words(error: unknown): string {
  if (error && typeof error === 'object' && 'stderr' in error) {
    const { stderr, exitCode } = error as { stderr: string; exitCode: number | null }
    return stderr.trim().split('\n').slice(-3).join('; ') || `exit code ${exitCode}`
  }
  return messageOf(error)
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
