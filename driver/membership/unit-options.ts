/**
 * The options that multihost.service starts the driver with, wherever the unit has them: the files of
 * `join` and of the package, or a drop-in of a person's (`systemctl edit multihost`) with another ExecStart,
 * Environment or EnvironmentFile (systemd.exec(5)).
 */
import { packageOptionsFile } from '../daemon/options.ts'
import { optionsFile, wordsIn } from './options-file.ts'
import type { UnitProperties } from './unit-reach.ts'

export interface UnitOptions {
  words: string[]
  /** Where the store is named, or would be: a path, or the unit's property. */
  from: string
}

/** Of `unitOptions`. */
export const optionProperties = ['ExecStart', 'Environment', 'EnvironmentFiles']

/** `unit`: as `systemctl show` prints the properties; empty without systemd. Undefined without options. */
export async function unitOptions(
  { ExecStart = '', Environment = '', EnvironmentFiles }: UnitProperties,
  textOf: (path: string) => Promise<string>,
): Promise<UnitOptions | undefined> {
  const argv = /argv\[\]=(.*?) ; /.exec(ExecStart)?.[1] ?? 'daemon $MULTIHOST_OPTS'
  const given = argv
    .replace(/^.*? daemon\b|^daemon\b/, '')
    .split(' ')
    .filter((word) => word !== '')
  const own = given.filter((word) => !isVariable(word))
  const variable =
    own.length < given.length ? await variableIn({ Environment, EnvironmentFiles }, textOf) : undefined
  if (own.length === 0) return variable
  const words = given.flatMap((word) => (isVariable(word) ? (variable?.words ?? []) : [word]))
  const isStores = own.some((word) => word.startsWith('--kv-store=')) || own.length === given.length
  return { words, from: isStores ? 'ExecStart= of multihost.service' : (variable?.from ?? optionsFile) }
}

function isVariable(word: string): boolean {
  return /^\$\{?MULTIHOST_OPTS\}?$/.test(word)
}

/** A file wins over Environment, and a later file over an earlier one. */
async function variableIn(
  { Environment, EnvironmentFiles }: { Environment: string; EnvironmentFiles: string | undefined },
  textOf: (path: string) => Promise<string>,
): Promise<UnitOptions | undefined> {
  const paths = EnvironmentFiles?.split('\n').map((line) => line.replace(/ \(ignore_errors=\w+\)$/, ''))
  for (const from of (paths ?? [optionsFile, packageOptionsFile]).reverse()) {
    const words = wordsIn(await textOf(from), 'MULTIHOST_OPTS')
    if (words !== undefined) return { words, from }
  }
  // Quoted where it has a blank.
  const [, quoted, bare] = /(?:^| )(?:"MULTIHOST_OPTS=([^"]*)"|MULTIHOST_OPTS=(\S*))/.exec(Environment) ?? []
  const words = wordsIn(`MULTIHOST_OPTS="${quoted ?? bare ?? ''}"`, 'MULTIHOST_OPTS') ?? []
  return words.length === 0 ? undefined : { words, from: 'Environment= of multihost.service' }
}
