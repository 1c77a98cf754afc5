/**
 * Command lines of `lab` and `scenarios`: one parser, whose errors name the value and the allowed ones, and the choice of
 * a lab by flags, or by MULTIHOST_LAB, MULTIHOST_BACKEND and MULTIHOST_INVENTORY.
 */
import { parseArgs } from 'node:util'
import { type Backend, type BackendName, backends } from '../backends/backend.ts'
import { openBackend } from '../backends/registry.ts'
import { defaultLab, hostNamed, type Lab } from '../lab/definition.ts'
import { LabError, unknown } from '../process/errors.ts'

export const labOptions = {
  lab: { type: 'string' },
  backend: { type: 'string' },
  inventory: { type: 'string' },
  engine: { type: 'string', multiple: true },
  secure: { type: 'boolean' },
} as const

export interface LabChoice {
  /** Its name; the backend's name for virtual machines and inventories. */
  lab: string
  backend: Backend
  /** Flags that choose the same lab on another command line, with a blank before them; or empty. */
  flags: string
  /** Variables that choose the same lab in a child process. */
  environment: Record<string, string>
}

interface Values {
  lab?: string | undefined
  backend?: string | undefined
  inventory?: string | undefined
  engine?: string[] | undefined
  secure?: boolean | undefined
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

/** The lab that the flags choose, or, where a flag is not given, its variable. */
export async function chooseLab(
  values: Values,
  defaultName: string,
  environment: Record<string, string | undefined> = process.env,
): Promise<LabChoice> {
  const backend = backendNamed(values.backend ?? (environment.MULTIHOST_BACKEND || 'nspawn'))
  refuseForeign(values, backend)
  const lab = defaultLab()
  const inventory =
    backend === 'ssh' ? inventoryNamed(values.inventory ?? environment.MULTIHOST_INVENTORY) : ''
  const name =
    backend === 'nspawn' ? labNamed(values.lab ?? (environment.MULTIHOST_LAB || defaultName)) : backend
  const opened = await openBackend(backend, {
    name,
    lab,
    explicit: false,
    ...engineChoice(lab, values.engine ?? []),
    secure: values.secure ?? false,
    inventory,
  })
  const flags: Record<BackendName, string> = {
    nspawn: name === 'main' ? '' : ` --lab ${name}`,
    vagrant: ' --backend vagrant',
    ssh: ` --backend ssh --inventory ${inventory}`,
  }
  const variables: Record<BackendName, Record<string, string>> = {
    nspawn: { MULTIHOST_LAB: name },
    vagrant: {},
    ssh: { MULTIHOST_INVENTORY: inventory },
  }
  return {
    lab: name,
    backend: opened,
    flags: flags[backend],
    environment: { MULTIHOST_BACKEND: backend, ...variables[backend] },
  }
}

function inventoryNamed(file: string | undefined): string {
  if (file) return file
  throw new LabError('--backend ssh needs --inventory FILE, which says how the hosts are reached', {
    hint: 'docs/lab.md shows one; MULTIHOST_INVENTORY names it as well',
  })
}

function backendNamed(name: string): BackendName {
  const backend = backends.find((each) => each === name)
  if (backend === undefined) throw unknown('backend', name, backends)
  return backend
}

function labNamed(lab: string): string {
  if (/^[a-z][a-z0-9]{0,15}$/.test(lab)) return lab
  throw new LabError(`"${lab}" cannot name a lab: up to 16 lower-case letters and digits, a letter first`)
}

const belongsTo = { lab: 'nspawn', engine: 'nspawn', secure: 'nspawn', inventory: 'ssh' } as const

/** An ignored flag would be a mistake: another lab would be used than the one meant. */
function refuseForeign(values: Values, backend: BackendName): void {
  for (const flag of ['lab', 'engine', 'secure', 'inventory'] as const) {
    if (values[flag] === undefined || belongsTo[flag] === backend) continue
    throw new LabError(`--${flag} is for --backend ${belongsTo[flag]}, and this is ${backend}`)
  }
}

/** `28` is for all hosts, `net-2=28` for one. */
function engineChoice(lab: Lab, words: string[]): { engine?: string; engines: Record<string, string> } {
  const choice: { engine?: string; engines: Record<string, string> } = { engines: {} }
  for (const word of words) {
    const [first = '', second] = word.split('=')
    if (second === undefined) choice.engine = first
    else choice.engines[hostNamed(lab, first).name] = second
  }
  return choice
}
