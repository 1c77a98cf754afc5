/**
 * The unit multihost.service, by systemctl(1), and the file that it reads its options from.
 */
import { execFile } from 'node:child_process'
import { access, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
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

/** As `systemctl show` prints them. Throws `unavailable` where systemd does not run. */
export async function unitProperties(properties: readonly string[]): Promise<Record<string, string>> {
  const { stdout } = await run('systemctl', ['show', '-p', properties.join(','), name]).catch(
    (cause: Error) => {
      const last = cause.message.trim().split('\n').at(-1)
      throw new DriverError('unavailable', `systemd does not run here: ${last}`, {
        hint: 'the driver needs a host with systemd; under WSL, write systemd=true below [boot] into /etc/wsl.conf, and restart WSL',
        cause,
      })
    },
  )
  return Object.fromEntries([...stdout.matchAll(/^(\w+)=(.*)$/gm)].map(([, key, value]) => [key, value]))
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
      isEnabled: UnitFileState === 'enabled',
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
    await run('systemctl', ['-q', 'disable', '--now', name])
  },
  async restore({ isEnabled, isActive }) {
    await run('systemctl', ['-q', isEnabled ? 'enable' : 'disable', name])
    await run('systemctl', [isActive ? 'restart' : 'stop', name])
  },
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

/** Empty for a file that does not exist. */
export function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
}

/**
 * Renamed into place: a reader sees the old text or the new one. A file without text is removed. A new file
 * has mode `newMode`.
 */
export async function replaceFile(path: string, text: string, newMode = 0o644): Promise<void> {
  if (text === '') return rm(path, { force: true })
  const before = await stat(path).catch(() => undefined)
  await writeFile(`${path}.new`, text, { mode: (before?.mode ?? newMode) & 0o777 })
  await rename(`${path}.new`, path)
}
