/**
 * `npm run lab -- VERB`: the lab by hand.
 */
import type { Backend } from './backends/backend.ts'
import { describeFault, type NetworkFaults, parseFault, withFault } from './backends/faults.ts'
import { chooseLab, type LabChoice, labOptions, parse } from './cli/arguments.ts'
import { statusTable } from './cli/status.ts'
import { usage } from './cli/usage.ts'
import type { BroughtUp } from './lab/bring-up.ts'
import { hostNamed, namesOf } from './lab/definition.ts'
import { explain, LabError, unknown } from './process/errors.ts'
import { exitWith } from './process/exit.ts'
import { uninterrupted } from './process/interruption.ts'
import { labCommand, quietLabCommand } from './process/lab-command.ts'
import { shellQuote } from './process/quote.ts'
import { catchSignals } from './process/signals.ts'
import { undoAfter } from './process/undo-after.ts'

interface Flags {
  timings: boolean
}

/** Each verb resolves with the exit code. Modules that `exec` does not need are loaded where they are used. */
type Verb = (choice: LabChoice, words: string[], flags: Flags) => Promise<number>

const verbs: Record<string, Verb> = { up, down, status, provision, exec, ssh, fault, heal, doctor, gc }

async function up({ backend }: LabChoice, _: string[], { timings }: Flags): Promise<number> {
  const { bringUp } = await import('./lab/bring-up.ts')
  try {
    return await summary(await bringUp(backend, { stays: true }), timings)
  } catch (error) {
    return undoAfter(error, () => backend.abandon())
  }
}

async function down({ backend, lab }: LabChoice): Promise<number> {
  const start = performance.now()
  const there = await backend.down()
  const took = `${(performance.now() - start).toFixed(0)} ms`
  console.log(there ? `lab ${lab} is gone (${took})` : `lab ${lab} is not up; nothing to do`)
  return 0
}

async function status({ backend }: LabChoice): Promise<number> {
  console.log(await statusTable(backend))
  return 0
}

async function provision({ backend }: LabChoice, names: string[], { timings }: Flags): Promise<number> {
  // Before the driver is built.
  backend.refuseAbsent?.()
  const { lab } = backend
  // Two runs of the steps at once on one host would disturb each other.
  const hosts = names.length > 0 ? [...new Set(names)].map((name) => hostNamed(lab, name)) : lab.hosts
  const { provisionHosts } = await import('./lab/bring-up.ts')
  return summary(await provisionHosts(backend, hosts), timings)
}

async function exec({ backend }: LabChoice, [name, ...rest]: string[]): Promise<number> {
  const words = rest[0] === '--' ? rest.slice(1) : rest
  if (name === undefined || words.length === 0)
    throw new LabError('exec needs a host and a command', { hint: `${quietLabCommand} exec HOST COMMAND…` })
  const connection = await backend.connect(hostNamed(backend.lab, name))
  process.stdout.on('error', endOutput)
  process.stderr.on('error', endOutput)
  const command = words.length === 1 ? (words[0] ?? '') : words.map(shellQuote).join(' ')
  const { stdin, stdout, stderr } = process
  const code = await connection.pipe(command, { stdin, stdout, stderr })
  connection.close()
  stdin.destroy()
  return code
}

async function ssh({ backend }: LabChoice, [name]: string[]): Promise<number> {
  const { lab } = backend
  if (name === undefined) throw new LabError('ssh needs a host', { hint: namesOf(lab).join(', ') })
  const connection = await backend.connect(hostNamed(lab, name))
  const code = await connection.terminal()
  connection.close()
  return code
}

async function fault({ backend }: LabChoice, words: string[]): Promise<number> {
  const faults = faultsOf(backend)
  if (words.length > 0) {
    const more = parseFault(backend.lab, words)
    await faults.change((inForce) => withFault(inForce, more))
  }
  for (const each of faults.inForce()) console.log(describeFault(each))
  return 0
}

async function heal({ backend }: LabChoice): Promise<number> {
  await faultsOf(backend).change(() => [])
  return 0
}

async function doctor({ backend }: LabChoice): Promise<number> {
  const { examine } = await import('./backends/checks.ts')
  return (await examine(await backend.checks(), (line) => console.log(line))) ? 0 : 2
}

async function gc(): Promise<number> {
  const { collectGarbage } = await import('./backends/nspawn/removal.ts')
  const { removed, kept } = await uninterrupted(collectGarbage)
  for (const line of removed) console.log(`removed ${line}`)
  for (const line of kept) console.error(`left ${line}`)
  if (removed.length + kept.length === 0) console.log('nothing to remove')
  return kept.length > 0 ? 2 : 0
}

function faultsOf(backend: Backend): NetworkFaults {
  if (backend.faults) return backend.faults
  throw new LabError(`--backend ${backend.name} cannot make faults of the network`, {
    hint: '--backend nspawn can',
  })
}

/** EPIPE: the reader of `exec`'s output closed it (`| head`); exits as SIGPIPE would. Other errors are printed. */
function endOutput(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(141)
  process.stderr.off('error', endOutput)
  console.error(explain(error))
  process.exit(2)
}

async function summary({ timings, changed }: BroughtUp, withTimings: boolean): Promise<number> {
  console.log(
    changed.length === 0 ? 'nothing changed' : `changed:\n${changed.map((line) => `  ${line}`).join('\n')}`,
  )
  if (!withTimings) return 0
  const { timingTable } = await import('./cli/progress.ts')
  console.log(timingTable(timings))
  return 0
}

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args
  if (name === undefined || asksHelp(name, rest)) {
    console.log(usage)
    return 0
  }
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (verb === undefined) throw unknown('verb', name, Object.keys(verbs))
  // Words after exec's host belong to the command, flags included.
  const own = name === 'exec' ? leading(rest) : rest.length
  const { values, positionals } = parse(rest.slice(0, own), { ...labOptions, timings: { type: 'boolean' } })
  refuseSurplus(name, positionals)
  refuseIgnored(name, Object.keys(values))
  const choice = await chooseLab(values, 'main')
  const isAsked = making.some((option) => values[option] !== undefined)
  if (isAsked && !takesAnyLab.includes(name)) choice.backend.refuseChanges?.()
  return verb(choice, [...positionals, ...rest.slice(own)], { timings: values.timings ?? false })
}

type Option = keyof typeof labOptions | 'timings'
const choosing: readonly Option[] = ['lab', 'backend', 'inventory', 'lab-file', 'hosts', 'consul']
/** What a lab is made of. */
const making = ['lab-file', 'hosts', 'consul', 'engine', 'engine-from', 'consul-from'] as const
/** `up` refuses another lab itself, `down` takes down what is there, and `doctor` looks at this machine. */
const takesAnyLab = ['up', 'down', 'doctor']
/** Options of a verb; those that choose the lab unless it is listed. `gc` removes the leftovers of all labs. */
const optionsOf: Record<string, readonly Option[]> = {
  up: [...choosing, ...making, 'secure', 'timings'],
  provision: [...choosing, ...making, 'timings'],
  gc: [],
}

/** An option that is ignored would be a mistake: `provision --secure` secures nothing. */
function refuseIgnored(verb: string, given: readonly string[]): void {
  const taken: readonly string[] = optionsOf[verb] ?? choosing
  const ignored = given.find((name) => !taken.includes(name))
  if (ignored === undefined) return
  const takers = Object.keys(verbs).filter((each) =>
    (optionsOf[each] ?? choosing).some((name) => name === ignored),
  )
  const hint = verb === 'gc' ? 'it removes the leftovers of all labs' : `verbs that do: ${takers.join(', ')}`
  throw new LabError(`${verb} does not take --${ignored}`, { hint })
}

function asksHelp(verb: string, rest: string[]): boolean {
  const help = (word: string | undefined) => word === '--help' || word === '-h'
  return verb === 'help' || help(verb) || (verb === 'exec' ? help(rest[0]) : rest.some(help))
}

/** How many words a verb takes; 0 unless it is listed. */
const many = Number.POSITIVE_INFINITY
const takes: Record<string, number> = { exec: 1, ssh: 1, provision: many, fault: many }

/** An ignored word would be a mistake: `down NAME` must not take down another lab than NAME. */
function refuseSurplus(verb: string, positionals: string[]): void {
  const surplus = positionals[takes[verb] ?? 0]
  if (surplus === undefined) return
  const hint =
    verb === 'ssh'
      ? `a command there: ${quietLabCommand} exec HOST COMMAND…`
      : `a lab is named by a flag: ${labCommand} ${verb} --lab NAME`
  throw new LabError(`${verb} does not take "${surplus}"`, { hint })
}

/** How many words belong to `lab exec` itself: its flags, and the host. */
function leading(words: string[]): number {
  const flags = Object.entries(labOptions).flatMap(([name, { type }]) =>
    type === 'string' ? `--${name}` : [],
  )
  const at = words.findIndex((word, i) => !word.startsWith('-') && !flags.includes(words[i - 1] ?? ''))
  return at < 0 ? words.length : at + 1
}

const interrupted = process.argv[2] === 'ssh' || process.argv[2] === 'exec' ? () => undefined : catchSignals()
exitWith(main(process.argv.slice(2)), { interrupted })
