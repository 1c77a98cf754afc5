/**
 * What is on this machine that a lab could have left: namespaces, links, mounts, processes, cgroups, folders.
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execaSync } from 'execa'
import { until as untilWithin } from '../fixtures/until.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Everything with the given lab's name, and what nspawn keeps; text, so that a difference can be read. */
export function remains(lab: string): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
  const hierarchies = list('/sys/fs/cgroup').map((each) => join('/sys/fs/cgroup', each))
  const cgroups = ['/sys/fs/cgroup', ...hierarchies].flatMap((each) => list(join(each, 'multihost-lab')))
  return [
    ...list('/run/netns')
      .filter((each) => each.startsWith(`mhlab-${lab}-`))
      .map((each) => `namespace ${each}`),
    ...mounts.filter((each) => each.includes(`/${lab}/hosts/`)).map((each) => `mount ${each}`),
    ...cgroups.filter((each) => each === lab).map((each) => `cgroup ${each}`),
    ...processes()
      .filter(({ command }) => command.includes(`mhlab-${lab}-`))
      .map(({ command }) => `process ${command}`),
    ...list('/run/multihost-lab')
      .filter((each) => each === lab)
      .map((each) => `run folder ${each}`),
    ...list('/var/lib/multihost-lab')
      .filter((each) => each === lab)
      .map((each) => `disks ${each}`),
    ...list('/run/systemd/nspawn/propagate')
      .filter((each) => each.startsWith(`mhlab-${lab}-`))
      .map((each) => `propagate ${each}`),
  ]
}

/** The whole machine, for comparing before and after: namespaces, links, mounts, nspawn processes, nspawn's locks. */
export function inventory(): string[] {
  const links = JSON.parse(execaSync('ip', ['-j', 'link']).stdout).map(
    (each: { ifname: string }) => `link ${each.ifname}`,
  )
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .trim()
    .split('\n')
    .map((line) => `mount ${line.split(' ')[4]}`)
  return [...list('/run/netns').map((each) => `namespace ${each}`), ...links, ...mounts].sort()
}

/** What is in the folder; nothing where a lab has removed it meanwhile. */
function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  }
}

export function processes(): { pid: number; command: string }[] {
  return readdirSync('/proc')
    .filter((each) => /^\d+$/.test(each))
    .map((each) => ({ pid: Number(each), command: commandOf(each) }))
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return '' // it has ended
  }
}

/** Starts `npm run lab` or `npm run scenarios` the way a person does, without npm's own process around it. */
export function start(file: string, ...args: string[]) {
  const child = spawn(process.execPath, ['provision/start.mjs', file, ...args], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk) => out.push(chunk))
  child.stderr.on('data', (chunk) => err.push(chunk))
  const ended = new Promise<{ code: number | null; stdout: Buffer; stderr: string }>((resolve) =>
    child.once('close', (code) =>
      resolve({ code, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() }),
    ),
  )
  return { child, ended, soFar: () => Buffer.concat([...out, ...err]).toString() }
}

export async function lab(...args: string[]) {
  const { child, ended } = start('provision/lab.ts', ...args)
  child.stdin.end()
  return ended
}

/** For what a lab's making takes: within two minutes. */
export function until(what: string, holds: () => boolean): Promise<void> {
  return untilWithin(what, holds, 120_000)
}
