/**
 * Command lines of `lab` and `scenarios`: one parser, whose errors name the value and the allowed ones.
 */
import { parseArgs } from 'node:util'
import type { Backend } from './backend.ts'
import { LabError, unknown } from './errors.ts'
import { hostNamed } from './hosts.ts'
import { nspawnBackend } from './nspawn/backend.ts'
import { engines } from './nspawn/image.ts'

export const backends = ['nspawn'] as const

export const labOptions = {
  lab: { type: 'string' },
  backend: { type: 'string' },
  engine: { type: 'string', multiple: true },
} as const

export interface LabChoice {
  lab: string
  backend: Backend
}

type OptionTable = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']>

/** Strict parsing with an error for people. */
export function parse<T extends OptionTable>(args: string[], options: T) {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true })
  } catch (error) {
    const flag = /'(-[^' ]*)/.exec(error instanceof Error ? error.message : '')?.[1]
    const allowed = Object.keys(options).map((name) => `--${name}`)
    if (flag && !allowed.includes(flag)) throw unknown('flag', flag, allowed)
    throw new LabError(
      error instanceof Error ? (error.message.split('. ')[0] ?? error.message) : String(error),
    )
  }
}

export function chooseLab(
  values: { lab?: string | undefined; backend?: string | undefined; engine?: string[] | undefined },
  defaultLab: string,
): LabChoice {
  const lab = values.lab ?? defaultLab
  if (!/^[a-z][a-z0-9]{0,15}$/.test(lab)) {
    throw new LabError(`"${lab}" cannot name a lab: up to 16 lower-case letters and digits, a letter first`)
  }
  const backend = values.backend ?? 'nspawn'
  if (!backends.some((each) => each === backend)) throw unknown('backend', backend, backends)
  return { lab, backend: nspawnBackend({ lab, ...engineChoice(values.engine ?? []) }) }
}

/** `28` is for all hosts, `net-2=28` for one. */
function engineChoice(words: string[]): { engine?: string; engines?: Record<string, string> } {
  const choice: { engine?: string; engines: Record<string, string> } = { engines: {} }
  for (const word of words) {
    const [first = '', second] = word.split('=')
    const engine = second ?? first
    if (!engines.some((each) => each === engine)) throw unknown('engine', engine, engines)
    if (second === undefined) choice.engine = engine
    else choice.engines[hostNamed(first).name] = engine
  }
  return choice
}
