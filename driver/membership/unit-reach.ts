/**
 * What the unit's protection of the file system keeps from the driver (systemd.exec(5)): most folders are
 * read-only (ProtectSystem=strict, ReadWritePaths), some are empty (ProtectHome, PrivateTmp). A drop-in of
 * the unit may change that, so systemd is asked. A link counts as the place that it leads to.
 */
import { realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { OpenOptions } from '../daemon/options.ts'
import type { OutOfReach } from './facts.ts'

/** By property of the unit, as `systemctl show` prints it. */
export type UnitProperties = Readonly<Record<string, string>>

export const protection = [
  ...['ProtectSystem', 'ProtectHome', 'PrivateTmp'],
  ...['ReadWritePaths', 'StateDirectory', 'RuntimeDirectory'],
]

type Places = Pick<
  OpenOptions,
  'stateDir' | 'namespaceFolder' | 'socket' | 'controlSocket' | 'dockerSocket' | 'tokenFile' | 'tls'
>

export async function outOfReach(options: Places, unit: UnitProperties): Promise<OutOfReach[]> {
  const view = await viewOf(unit)
  const judged = placesOf(options).map(async ({ option, path, folder }): Promise<OutOfReach[]> => {
    const place = await realPlace(folder ?? path)
    const common = { option: `--${option}=${path}`, place }
    if (isBelow(place, view.empty)) return [{ ...common, lacks: 'sight' }]
    const isWritten = folder !== undefined
    return isWritten && view.isStrict && !isBelow(place, view.writable) ? [{ ...common, lacks: 'write' }] : []
  })
  return (await Promise.all(judged)).flat()
}

/** `folder`: what the driver writes in. */
function placesOf(options: Places): { option: string; path: string; folder?: string }[] {
  const { stateDir, namespaceFolder, socket, controlSocket, dockerSocket, tokenFile, tls } = options
  const read: [string, string | undefined][] = [
    ['docker-socket', dockerSocket],
    ['kv-token-file', tokenFile],
    ['kv-ca-file', tls.caFile],
    ['kv-cert-file', tls.certFile],
    ['kv-key-file', tls.keyFile],
  ]
  return [
    { option: 'state-dir', path: stateDir, folder: stateDir },
    { option: 'netns-dir', path: namespaceFolder, folder: namespaceFolder },
    { option: 'socket', path: socket, folder: dirname(socket) },
    { option: 'control-socket', path: controlSocket, folder: dirname(controlSocket) },
    ...read.flatMap(([option, path]) => (path === undefined ? [] : [{ option, path }])),
  ]
}

async function viewOf(unit: UnitProperties) {
  const { ProtectSystem = '', ProtectHome = '', PrivateTmp = '' } = unit
  const words = (property: string): string[] => (unit[property] ?? '').split(' ').filter((it) => it !== '')
  const writable = [
    // `-` before a path: it may be missing; `+`: below the unit's RootDirectory.
    ...words('ReadWritePaths').map((path) => path.replace(/^[-+]+/, '')),
    ...words('StateDirectory').map((name) => join('/var/lib', name)),
    ...words('RuntimeDirectory').map((name) => join('/run', name)),
  ]
  return {
    isStrict: ProtectSystem === 'strict',
    writable: await Promise.all(writable.map(realPlace)),
    empty: [
      ...(/^(yes|tmpfs)$/.test(ProtectHome) ? ['/home', '/root', '/run/user'] : []),
      ...(/^(yes|disconnected)$/.test(PrivateTmp) ? ['/tmp', '/var/tmp'] : []),
    ],
  }
}

/** Of a path whose last parts may not exist yet. */
async function realPlace(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch {
    // A folder that this user may not read is taken by its name.
    return path === dirname(path) ? path : join(await realPlace(dirname(path)), basename(path))
  }
}

function isBelow(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => path === folder || path.startsWith(`${folder.replace(/\/$/, '')}/`))
}
