/**
 * Command lines of `lab` and `scenarios`: one parser, whose errors name the value and the allowed ones, and the
 * choice of a lab by flags or, where a flag is not given, by MULTIHOST_LAB, MULTIHOST_BACKEND and MULTIHOST_INVENTORY.
 */
import { parseArgs } from 'node:util'
import { type Backend, type BackendName, backends } from '../backends/backend.ts'
import { hostNamed } from '../lab/hosts.ts'
import { LabError, unknown } from '../process/errors.ts'

export const labOptions = {
  lab: { type: 'string' },
  backend: { type: 'string' },
  inventory: { type: 'string' },
  engine: { type: 'string', multiple: true },
  secure: { type: 'boolean' },
} as const

export interface LabChoice {
  /** Its name; labs of VMs and of an inventory have none of their own. */
  lab: string
  backend: Backend
  /** What chooses the same lab on another command line, with a blank before it where it is not empty. */
  flags: string
  /** What chooses the same lab for a child process. */
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

/** A backend's modules are loaded when it is chosen: `lab exec` is to start fast. */
export async function chooseLab(
  values: Values,
  defaultLab: string,
  environment: Record<string, string | undefined> = process.env,
): Promise<LabChoice> {
  const name = backendNamed(values.backend ?? (environment.MULTIHOST_BACKEND || 'nspawn'))
  refuseForeign(values, name)
  const backendVariable = { MULTIHOST_BACKEND: name }
  if (name === 'ssh') {
    const inventory = values.inventory ?? environment.MULTIHOST_INVENTORY
    if (!inventory) {
      throw new LabError('--backend ssh needs --inventory FILE, which says how the hosts are reached', {
        hint: 'docs/lab.md shows one; MULTIHOST_INVENTORY names it as well',
      })
    }
    const { sshBackend } = await import('../backends/ssh/backend.ts')
    return {
      lab: 'ssh',
      backend: sshBackend(inventory),
      flags: ` --backend ssh --inventory ${inventory}`,
      environment: { ...backendVariable, MULTIHOST_INVENTORY: inventory },
    }
  }
  if (name === 'vagrant') {
    const { vagrantBackend } = await import('../backends/vagrant/backend.ts')
    const flags = ' --backend vagrant'
    return { lab: 'vagrant', backend: vagrantBackend(), flags, environment: backendVariable }
  }
  const lab = labNamed(values.lab ?? (environment.MULTIHOST_LAB || defaultLab))
  const { nspawnBackend } = await import('../backends/nspawn/backend.ts')
  return {
    lab,
    backend: nspawnBackend({ lab, secure: values.secure ?? false, ...engineChoice(values.engine ?? []) }),
    flags: lab === 'main' ? '' : ` --lab ${lab}`,
    environment: { ...backendVariable, MULTIHOST_LAB: lab },
  }
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

/** A flag that would be passed over is a mistake: somebody means another lab than the one that would be used. */
function refuseForeign(values: Values, backend: BackendName): void {
  for (const flag of ['lab', 'engine', 'secure', 'inventory'] as const) {
    if (values[flag] === undefined || belongsTo[flag] === backend) continue
    throw new LabError(`--${flag} is for --backend ${belongsTo[flag]}, and this is ${backend}`)
  }
}

/** `28` is for all hosts, `net-2=28` for one. */
function engineChoice(words: string[]): { engine?: string; engines: Record<string, string> } {
  const choice: { engine?: string; engines: Record<string, string> } = { engines: {} }
  for (const word of words) {
    const [first = '', second] = word.split('=')
    if (second === undefined) choice.engine = first
    else choice.engines[hostNamed(first).name] = second
  }
  return choice
}
