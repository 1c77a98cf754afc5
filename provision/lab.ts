/**
 * `npm run lab -- VERB`: the lab by hand.
 */

import type { Backend } from './backends/backend.ts'
import { describeFault, type NetworkFaults, parseFault } from './backends/faults.ts'
import { chooseLab, type LabChoice, labOptions, parse } from './cli/arguments.ts'
import { statusTable } from './cli/status.ts'
import type { Raised } from './lab/bring-up.ts'
import { hostNamed, hosts } from './lab/hosts.ts'
import { explain, LabError, unknown } from './process/errors.ts'
import { exitWith } from './process/exit.ts'
import { uninterrupted } from './process/interruption.ts'
import { catchSignals } from './process/signals.ts'
import { shellQuote } from './ssh/connection.ts'

const usage = `usage: npm run lab -- VERB [--lab NAME | --backend vagrant | --backend ssh --inventory FILE]

  up [--engine 20.10|26|28] [--engine HOST=…] [--secure] [--timings]
                             make the lab, or what is missing of it; --secure: Consul with ACLs and TLS
  down                       take it down; nothing is left
  status                     hosts, addresses, engines, Consul
  provision [HOST…]          the provisioning steps again
  exec HOST COMMAND…         run a command there as root (npm run -s lab -- exec … prints nothing of its own);
                             a single argument is a line for the host's shell
  ssh HOST                   a shell there
  fault                      the faults of its network that are in force
  fault partition A B | unplug HOST | lose HOST PERCENT | slow HOST MS
                             one more of them, until it is healed
  heal                       no fault any more
  doctor                     what on this machine stands in the way
  gc                         remove what crashed runners left

Where a flag is not given, MULTIHOST_LAB, MULTIHOST_BACKEND and MULTIHOST_INVENTORY choose.`

/** Each resolves with the exit code. */
const verbs = {
  up: async (choice: LabChoice, _: string[], flags: { timings: boolean }) => {
    const { raise } = await import('./lab/bring-up.ts') // not for exec, which is to start fast
    try {
      return await summary(await raise(choice.backend, { stays: true }), flags.timings)
    } catch (error) {
      await choice.backend.abandon()
      throw error
    }
  },
  down: async ({ backend, lab }: LabChoice) => {
    const start = performance.now()
    const there = await backend.down()
    const took = `${(performance.now() - start).toFixed(0)} ms`
    console.log(there ? `lab ${lab} is gone (${took})` : `lab ${lab} is not up; nothing to do`)
    return 0
  },
  status: async ({ backend }: LabChoice) => {
    console.log(await statusTable(backend))
    return 0
  },
  provision: async ({ backend }: LabChoice, names: string[], flags: { timings: boolean }) => {
    const only = names.length > 0 ? names.map(hostNamed) : hosts
    const { provisionAll } = await import('./lab/bring-up.ts')
    return summary(await provisionAll(backend, only), flags.timings)
  },
  exec: async ({ backend }: LabChoice, [name, ...rest]: string[]) => {
    const words = rest[0] === '--' ? rest.slice(1) : rest
    if (name === undefined || words.length === 0)
      throw new LabError('exec needs a host and a command', { hint: 'npm run -s lab -- exec HOST COMMAND…' })
    const connection = await backend.connect(hostNamed(name))
    process.stdout.on('error', endOutput)
    process.stderr.on('error', endOutput)
    const command = words.length === 1 ? (words[0] ?? '') : words.map(shellQuote).join(' ')
    const { stdin, stdout, stderr } = process
    const code = await connection.pipe(command, { stdin, stdout, stderr })
    connection.close()
    stdin.destroy()
    return code
  },
  ssh: async ({ backend }: LabChoice, [name]: string[]) => {
    if (name === undefined)
      throw new LabError('ssh needs a host', { hint: hosts.map((host) => host.name).join(', ') })
    const connection = await backend.connect(hostNamed(name))
    const code = await connection.terminal()
    connection.close()
    return code
  },
  fault: async ({ backend }: LabChoice, words: string[]) => {
    const faults = faultsOf(backend)
    if (words.length > 0) await faults.apply([...faults.inForce(), parseFault(words)])
    for (const fault of faults.inForce()) console.log(describeFault(fault))
    return 0
  },
  heal: async ({ backend }: LabChoice) => {
    await faultsOf(backend).apply([])
    return 0
  },
  doctor: async ({ backend }: LabChoice) => {
    const { doctor } = await import('./backends/doctor.ts')
    return (await doctor(backend, (line) => console.log(line))) ? 0 : 2
  },
  gc: async () => {
    const { collectGarbage } = await import('./backends/nspawn/removal.ts')
    const { removed, kept } = await uninterrupted(collectGarbage)
    for (const line of removed) console.log(`removed ${line}`)
    for (const line of kept) console.error(`left ${line}`)
    if (removed.length + kept.length === 0) console.log('nothing to remove')
    return kept.length > 0 ? 2 : 0
  },
}

function faultsOf(backend: Backend): NetworkFaults {
  if (backend.faults) return backend.faults
  throw new LabError(`--backend ${backend.name} has no switch that faults can be made in`, {
    hint: '--backend nspawn has one',
  })
}

/** Whoever read what `exec` prints has gone (`| head`), as SIGPIPE would tell it; or there is no room for it. */
function endOutput(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(141)
  process.stderr.off('error', endOutput)
  console.error(explain(error))
  process.exit(2)
}

async function summary({ timings, changed }: Raised, withTimings: boolean): Promise<number> {
  console.log(
    changed.length === 0 ? 'nothing changed' : `changed:\n${changed.map((line) => `  ${line}`).join('\n')}`,
  )
  if (!withTimings) return 0
  const { timingTable } = await import('./cli/progress.ts')
  console.log(timingTable(timings))
  return 0
}

async function main(args: string[]): Promise<number> {
  const [verb, ...rest] = args
  if (verb === undefined || asksHelp(verb, rest)) {
    console.log(usage)
    return 0
  }
  if (!Object.hasOwn(verbs, verb)) throw unknown('verb', verb, Object.keys(verbs))
  // What follows exec's host is the command's own, dashes and all.
  const own = verb === 'exec' ? leading(rest) : rest.length
  const { values, positionals } = parse(rest.slice(0, own), { ...labOptions, timings: { type: 'boolean' } })
  refuseSurplus(verb, positionals)
  const choice = await chooseLab(values, 'main')
  return verbs[verb as keyof typeof verbs](choice, [...positionals, ...rest.slice(own)], {
    timings: values.timings ?? false,
  })
}

function asksHelp(verb: string, rest: string[]): boolean {
  const help = (word: string | undefined) => word === '--help' || word === '-h'
  return verb === 'help' || help(verb) || (verb === 'exec' ? help(rest[0]) : rest.some(help))
}

/** How many words a verb may be given; none unless it is here. */
const many = Number.POSITIVE_INFINITY
const takes: Record<string, number> = { exec: 1, ssh: 1, provision: many, fault: many }

/** A word that would be passed over is a mistake: `down NAME` must not take down another lab than the one meant. */
function refuseSurplus(verb: string, positionals: string[]): void {
  const surplus = positionals[takes[verb] ?? 0]
  if (surplus === undefined) return
  const hint =
    verb === 'ssh'
      ? 'a command there: npm run -s lab -- exec HOST COMMAND…'
      : `a lab is named by a flag: npm run lab -- ${verb} --lab NAME`
  throw new LabError(`${verb} does not take "${surplus}"`, { hint })
}

/** How many words belong to `lab exec` itself: its flags, and the host. */
function leading(words: string[]): number {
  const flags = Object.keys(labOptions).map((name) => `--${name}`)
  const at = words.findIndex((word, i) => !word.startsWith('-') && !flags.includes(words[i - 1] ?? ''))
  return at < 0 ? words.length : at + 1
}

const interrupted = process.argv[2] === 'ssh' || process.argv[2] === 'exec' ? () => undefined : catchSignals()
exitWith(main(process.argv.slice(2)), { interrupted })
