/**
 * The unit multihost.service, by systemctl(1), and the file that it reads its options from.
 */
import { execFile } from 'node:child_process'
import {
  access,
  chmod,
  chown,
  constants,
  mkdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { DriverError } from '../core/errors.ts'

export interface UnitState {
  isInstalled: boolean
  isEnabled: boolean
  isActive: boolean
  /** Started, and not ready yet. */
  isStarting: boolean
}

/** What `join` and `leave` do to the machine's service manager and its files. */
export interface Unit {
  /** Throws `unavailable` where systemd does not run. */
  state(): Promise<UnitState>
  /** Enables and starts it. Throws `unavailable` with the unit's last line when it does not start. */
  start(): Promise<void>
  /** Disables and stops it. */
  stop(): Promise<void>
  /** Enabled and active as before. */
  restore(before: UnitState): Promise<void>
}

const name = 'multihost.service'
const run = promisify(execFile)

/**
 * As `systemctl show` prints them. A property with several lines, as EnvironmentFiles, has all of them.
 * Throws `unavailable` where systemd does not run.
 */
export async function unitProperties(
  properties: readonly string[],
  unit = name,
): Promise<Record<string, string>> {
  const { stdout } = await run('systemctl', ['show', '-p', properties.join(','), unit]).catch(
    (cause: Error) => {
      const last = cause.message.trim().split('\n').at(-1)
      throw new DriverError('unavailable', `systemd does not run here: ${last}`, {
        hint: 'the driver needs a host with systemd; under WSL, write systemd=true below [boot] into /etc/wsl.conf, and restart WSL',
        cause,
      })
    },
  )
  const found: Record<string, string> = {}
  for (const [, key = '', value = ''] of stdout.matchAll(/^(\w+)=(.*)$/gm))
    found[key] = found[key] === undefined ? value : `${found[key]}\n${value}`
  return found
}

/**
 * Whether the unit is installed. Throws `unavailable` for one that a person has masked, and for one that
 * systemd cannot read, such as with a drop-in that has a wrong line.
 */
export async function isInstalled(): Promise<boolean> {
  const { LoadState, FragmentPath } = await unitProperties(['LoadState', 'FragmentPath'])
  if (LoadState === 'loaded') return true
  if (LoadState === 'not-found' || LoadState === undefined) return false
  const isMasked = LoadState === 'masked'
  const says = isMasked ? `${name} is masked` : `systemd does not load ${name}: ${LoadState}`
  const hint = isMasked
    ? `to allow it: systemctl unmask ${FragmentPath?.startsWith('/run/') ? '--runtime ' : ''}multihost`
    : 'see what is wrong, in a drop-in too: systemctl cat multihost; journalctl -b -u multihost'
  throw new DriverError('unavailable', says, { hint })
}

export const systemdUnit: Unit = {
  async state() {
    const { LoadState, UnitFileState, ActiveState, SubState } = await unitProperties([
      'LoadState',
      'UnitFileState',
      'ActiveState',
      'SubState',
    ])
    return {
      isInstalled: LoadState === 'loaded',
      // Or `enabled-runtime`, until the next boot.
      isEnabled: UnitFileState?.startsWith('enabled') === true,
      isActive: ActiveState === 'active',
      // And not between two attempts, which is `auto-restart`.
      isStarting: ActiveState === 'activating' && SubState?.startsWith('start') === true,
    }
  },
  async start() {
    try {
      await run('systemctl', ['-q', 'enable', name])
      // A unit that failed before may not be started again for a while.
      await run('systemctl', ['reset-failed', name]).catch(() => 'it has not failed')
      await run('systemctl', ['restart', name])
    } catch (cause) {
      const said = await run('journalctl', ['-u', name, '-n', '1', '-o', 'cat', '--no-pager']).catch(
        () => undefined,
      )
      const last = said?.stdout.trim() || (cause as Error).message
      throw new DriverError('unavailable', `the unit ${name} does not start: ${last}`, {
        hint: 'see: journalctl -u multihost',
        cause,
      })
    }
  },
  async stop() {
    await systemctl(['-q', 'disable', '--now', name])
  },
  async restore({ isEnabled, isActive }) {
    await systemctl(['-q', isEnabled ? 'enable' : 'disable', name])
    await systemctl([isActive ? 'restart' : 'stop', name])
  },
}

/** Throws `unavailable` with the last line that it says, as on a machine whose /etc is read-only. */
async function systemctl(args: readonly string[]): Promise<void> {
  await run('systemctl', args).catch((cause: Error) => {
    const last = cause.message.trim().split('\n').at(-1)
    throw new DriverError('unavailable', `systemctl ${args.join(' ')} fails: ${last}`, { cause })
  })
}

/** True for exit code 0. */
export function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  return run(program, args).then(
    () => true,
    () => false,
  )
}

export function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** Empty for a file that does not exist. Throws `unavailable` for a user who may not read it. */
export function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    if (error.code !== 'EACCES') throw error
    throw new DriverError('unavailable', `you may not read ${path}`, { hint: 'run it as root', cause: error })
  })
}

/**
 * Renamed into place: a reader sees the old text or the new one, and a failure leaves the old one. A file
 * that is there keeps its mode and its owner, and a link its target. A new file has mode `newMode`, under
 * every umask. A file without text is removed; behind a link it stays, empty. Throws `unavailable`.
 */
export async function replaceFile(path: string, text: string, newMode = 0o644): Promise<void> {
  const place = await placeOf(path)
  const temporary = `${place}.new`
  try {
    if (text === '' && place === (await inRealFolder(path))) return await rm(place, { force: true })
    const before = await stat(place).catch(() => undefined)
    // Not every distribution has /etc/default.
    const made = await mkdir(dirname(place), { recursive: true })
    if (made !== undefined) await chmod(made, 0o755)
    await rm(temporary, { force: true })
    await writeFile(temporary, text, { mode: 0o600, flush: true })
    if (before !== undefined) await chown(temporary, before.uid, before.gid)
    await chmod(temporary, (before?.mode ?? newMode) & 0o777)
    await rename(temporary, place)
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => 'it is not there')
    const at = place === path ? path : `${path}, which is ${place},`
    throw new DriverError('unavailable', `${at} cannot be written: ${(cause as Error).message}`, { cause })
  }
}

/** As the kernel counts them. */
const mostLinks = 40

/** Where the file is, or would be: a link may lead nowhere yet. Links in a circle stay as they are. */
async function placeOf(path: string, links = 0): Promise<string> {
  const place = await inRealFolder(path)
  const link = links > mostLinks ? undefined : await readlink(place).catch(() => undefined)
  return link === undefined ? place : placeOf(resolve(dirname(place), link), links + 1)
}

async function inRealFolder(path: string): Promise<string> {
  const folder = await realpath(dirname(path)).catch(() => dirname(path))
  return join(folder, basename(path))
}

/**
 * Why the file's folder, or the one that it would be made in, takes no new file: such as `EROFS`, for root
 * too. Undefined where it does.
 */
export async function refusesFiles(path: string): Promise<string | undefined> {
  const folder = dirname(await placeOf(path))
  return access(folder, constants.W_OK).then(
    () => undefined,
    ({ code }: NodeJS.ErrnoException) => (code === 'ENOENT' ? refusesFiles(folder) : code),
  )
}
