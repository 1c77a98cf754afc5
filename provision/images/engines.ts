/**
 * The table of Docker engines, engines.json: read by every backend, by the provisioning steps and by the
 * Vagrantfile. A new version is one entry there.
 */
import { readFileSync } from 'node:fs'
import { LabError, unknown } from '../process/errors.ts'
import type { Pin } from './pins.ts'

export interface Engine {
  /** First numbers of its version: `26`. */
  version: string
  /** Debian release of the host. */
  suite: string
  /** Packages of the engine, of that release unless pinned. */
  packages: readonly string[]
  /** Packages that come from another release. */
  pin?: Pin
  /** Address of the repositories that have the packages, by distribution, where they are not Debian's. */
  repository?: string
}

const table: { default: string; engines: Engine[] } = JSON.parse(
  readFileSync(new URL('engines.json', import.meta.url), 'utf8'),
)

export const defaultEngine = table.default

export function engineOf(version: string): Engine {
  const engine = table.engines.find((each) => each.version === version)
  if (engine) return engine
  throw unknown(
    'engine',
    version,
    table.engines.map((each) => each.version),
  )
}

/** Throws unless `found`, the output of `dockerd --version`, is of the wanted version. `where` begins the message. */
export function checkVersion(wanted: string, found: string, where: string): void {
  const actual = /version v?([\w.+~-]+)/.exec(found)?.[1] ?? found.trim()
  if (actual === wanted || actual.startsWith(`${wanted}.`)) return
  throw new LabError(`${where}: has engine ${actual}, and engine ${wanted} was asked for`, {
    hint: `provision/images/engines.json lists the engines and their sources`,
  })
}
