/**
 * Command lines of `lab` and `scenarios`: one parser, whose errors name the value and the allowed ones, and
 * the choice of a lab by flags, or by MULTIHOST_LAB, MULTIHOST_BACKEND and MULTIHOST_INVENTORY.
 */
import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Backend, type BackendName, backends } from '../backends/backend.ts'
import { openBackend } from '../backends/registry.ts'
import { engineOf } from '../images/engines.ts'
import { checkedPrograms } from '../images/programs.ts'
import { allowedCounts, defaultLab, generateLab, hostNamed, type Lab, readLab } from '../lab/definition.ts'
import { LabError, messageOf, unknown } from '../process/errors.ts'
import { shellQuote } from '../process/quote.ts'
import { writeWhole } from '../process/whole-file.ts'

export const labOptions = {
  lab: { type: 'string' },
  backend: { type: 'string' },
  inventory: { type: 'string' },
  engine: { type: 'string', multiple: true },
  secure: { type: 'boolean' },
  'lab-file': { type: 'string' },
  hosts: { type: 'string' },
  consul: { type: 'string' },
  'engine-from': { type: 'string' },
  'consul-from': { type: 'string' },
} as const

export interface LabChoice {
  /** Its name; the backend's name for virtual machines and inventories. */
  lab: string
  /** The hosts that were asked for. Those of a lab that is up are the backend's. */
  asked: Lab
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
  'lab-file'?: string | undefined
  hosts?: string | undefined
  consul?: string | undefined
  'engine-from'?: string | undefined
  'consul-from'?: string | undefined
}

type OptionTable = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']>

/** Strict parsing with an error for people. An option without a value, or with two of them, is an error too. */
export function parse<T extends OptionTable>(args: string[], options: T) {
  const parsed = parsedStrictly(args, options)
  const given = new Map<string, string>()
  for (const token of parsed.tokens) {
    if (token.kind !== 'option' || token.value === undefined) continue
    const { name, rawName, value } = token
    // `--lab-file "$FILE"` without the variable must not mean this folder, or the default.
    if (value === '') throw new LabError(`${rawName} has no value`)
    const before = given.get(name) ?? value
    if (before !== value && options[name]?.multiple !== true)
      throw new LabError(`${rawName} is given twice: ${before} and ${value}`, { hint: 'give one of both' })
    given.set(name, value)
  }
  return parsed
}

function parsedStrictly<T extends OptionTable>(args: string[], options: T) {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true, tokens: true })
  } catch (error) {
    const text = messageOf(error)
    const flag = /'(-[^' ]*)/.exec(text)?.[1]
    const allowed = Object.keys(options).map((name) => `--${name}`)
    if (flag && !allowed.includes(flag)) throw unknown('flag', flag, allowed)
    // Node explains an ambiguous value (--hosts -1) in three lines.
    throw new LabError(text.split(/\. |\.?\n/)[0] ?? text)
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
  const asked = askedLab(values, environment)
  const inventory =
    backend === 'ssh' ? inventoryNamed(values.inventory ?? environment.MULTIHOST_INVENTORY) : ''
  const name =
    backend === 'nspawn' ? labNamed(values.lab ?? (environment.MULTIHOST_LAB || defaultName)) : backend
  const chosen = engineChoice(asked.lab, values.engine ?? [])
  const { engines, engine = backend === 'nspawn' ? undefined : environment.MULTIHOST_ENGINE || undefined } =
    chosen
  for (const each of [engine, ...Object.values(engines)]) if (each !== undefined) engineOf(each)
  const given = { engine: values['engine-from'], consul: values['consul-from'] }
  const programs = await checkedPrograms(given, backend === 'nspawn')
  const variables = variablesFor(backend, { name, inventory, asked, engine })
  if (backend === 'vagrant') Object.assign(process.env, variables) // the Vagrantfile reads them
  const opened = await openBackend(backend, {
    ...asked,
    name,
    engine,
    engines,
    programs,
    secure: values.secure ?? false,
    inventory,
  })
  const file = variables.MULTIHOST_LAB_FILE
  const flags: Record<BackendName, string> = {
    nspawn: name === 'main' ? '' : ` --lab ${name}`,
    vagrant: ' --backend vagrant',
    ssh: ` --backend ssh --inventory ${shellQuote(inventory)}`,
  }
  const listed = file === undefined ? '' : ` --lab-file ${shellQuote(file)}`
  return {
    lab: name,
    asked: asked.lab,
    backend: opened,
    flags: `${flags[backend]}${listed}`,
    environment: variables,
  }
}

interface AskedLab {
  lab: Lab
  /** The hosts were chosen by a flag or a variable. */
  explicit: boolean
}

/** `--hosts` and `--consul`, or `--lab-file`, or MULTIHOST_LAB_FILE, or provision/lab.json. */
function askedLab(values: Values, environment: Record<string, string | undefined>): AskedLab {
  const counted = values.hosts !== undefined || values.consul !== undefined
  const named = values['lab-file']
  if (counted && named !== undefined) {
    throw new LabError('--lab-file names every host, and --hosts and --consul count them', {
      hint: 'give one of the two',
    })
  }
  if (counted) {
    const lab = generateLab(
      wholeNumber('hosts', values.hosts ?? '2'),
      wholeNumber('consul', values.consul ?? '1'),
    )
    return { lab, explicit: true }
  }
  const file = named ?? (environment.MULTIHOST_LAB_FILE || undefined)
  return file === undefined
    ? { lab: defaultLab(), explicit: false }
    : { lab: readLab(resolve(file)), explicit: true }
}

function wholeNumber(flag: 'hosts' | 'consul', text: string): number {
  if (/^(0|[1-9]\d{0,5})$/.test(text)) return Number(text)
  throw new LabError(`--${flag} ${text}: ${allowedCounts[flag]}`)
}

/**
 * What chooses the lab in a child process. A lab of nspawn hosts has a record of its list; for other machines
 * a child reads the list from a file.
 */
function variablesFor(
  backend: BackendName,
  of: { name: string; inventory: string; asked: AskedLab; engine: string | undefined },
): Record<string, string> {
  const listed = () => (of.asked.explicit ? { MULTIHOST_LAB_FILE: fileOf(of.asked.lab) } : {})
  const variables: Record<BackendName, () => Record<string, string>> = {
    nspawn: () => ({ MULTIHOST_LAB: of.name }),
    vagrant: () => ({ ...listed(), ...(of.engine === undefined ? {} : { MULTIHOST_ENGINE: of.engine }) }),
    ssh: () => ({ ...listed(), MULTIHOST_INVENTORY: of.inventory }),
  }
  return { MULTIHOST_BACKEND: backend, ...variables[backend]() }
}

/** The file that the lab was read from; a generated list is written into one. */
function fileOf(lab: Lab): string {
  if (!lab.source.startsWith('--')) return lab.source
  const file = fileURLToPath(
    new URL(`../../dist/lab${lab.source.replaceAll(/[^\w]+/g, '-')}.json`, import.meta.url),
  )
  mkdirSync(dirname(file), { recursive: true })
  writeWhole(file, `${JSON.stringify({ network: lab.network, hosts: lab.hosts }, null, 2)}\n`)
  return file
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
  throw new LabError(
    `${JSON.stringify(lab)} cannot name a lab: up to 16 lower-case letters and digits, a letter first`,
  )
}

const belongsTo = { lab: 'nspawn', secure: 'nspawn', inventory: 'ssh' } as const

/** An ignored flag would be a mistake: another lab would be used than the one meant. */
function refuseForeign(values: Values, backend: BackendName): void {
  for (const flag of ['lab', 'secure', 'inventory'] as const) {
    if (values[flag] === undefined || belongsTo[flag] === backend) continue
    throw new LabError(`--${flag} is for --backend ${belongsTo[flag]}, not for --backend ${backend}`)
  }
}

/** `28` is for all hosts, `net-2=28` for one. */
function engineChoice(lab: Lab, words: string[]): { engine?: string; engines: Record<string, string> } {
  const choice: { engine?: string; engines: Record<string, string> } = { engines: {} }
  for (const word of words) {
    const at = word.indexOf('=')
    const version = word.slice(at + 1)
    const name = at < 0 ? undefined : hostNamed(lab, word.slice(0, at)).name
    const before = (name === undefined ? choice.engine : choice.engines[name]) ?? version
    if (before !== version)
      throw new LabError(
        `--engine says both ${before} and ${version}${name === undefined ? '' : ` for ${name}`}`,
      )
    if (name === undefined) choice.engine = version
    else choice.engines[name] = version
  }
  return choice
}
