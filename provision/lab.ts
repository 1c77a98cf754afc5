/**
 * `npm run lab -- VERB`: the lab by hand.
 */
import { chooseLab, type LabChoice, labOptions, parse } from './arguments.ts'
import { doctor } from './doctor.ts'
import { explain, LabError, unknown } from './errors.ts'
import { hostNamed, hosts } from './hosts.ts'
import { catchSignals } from './interruption.ts'
import { collectGarbage } from './nspawn/removal.ts'
import { uninterrupted } from './nspawn/run.ts'
import { timingTable } from './progress.ts'
import { provisionAll, type Raised, raise } from './raise.ts'
import { shellQuote } from './ssh.ts'
import { statusTable } from './status.ts'

const usage = `usage: npm run lab -- VERB [--lab NAME]

  up [--engine 20.10|26|28] [--engine HOST=…] [--timings]   make the lab, or what is missing of it
  down                       take it down; nothing is left
  status                     hosts, addresses, engines, Consul
  provision                  the provisioning steps again
  exec HOST COMMAND…         run a command there as root (npm run -s lab -- exec … prints nothing of its own);
                             a single argument is a line for the host's shell
  ssh HOST                   a shell there
  doctor                     what on this machine stands in the way
  gc                         remove what crashed runners left`

const verbs = {
  up: async (choice: LabChoice, _: string[], flags: { timings: boolean }) => {
    const before = choice.backend.exists()
    try {
      summary(await raise(choice.backend, { stays: true }), flags.timings)
    } catch (error) {
      if (!before) await choice.backend.down()
      throw error
    }
  },
  down: async ({ backend, lab }: LabChoice) => {
    const there = backend.exists()
    const start = performance.now()
    await backend.down()
    const took = `${(performance.now() - start).toFixed(0)} ms`
    console.log(there ? `lab ${lab} is gone (${took})` : `lab ${lab} is not up; nothing to do`)
  },
  status: async ({ backend }: LabChoice) => console.log(await statusTable(backend)),
  provision: async ({ backend }: LabChoice, _: string[], flags: { timings: boolean }) =>
    summary(await provisionAll(backend), flags.timings),
  exec: async ({ backend }: LabChoice, [name, ...words]: string[]) => {
    if (name === undefined || words.length === 0)
      throw new LabError('exec needs a host and a command', { hint: usage })
    const connection = await backend.connect(hostNamed(name))
    const command = words.length === 1 ? (words[0] ?? '') : words.map(shellQuote).join(' ')
    const { stdin, stdout, stderr } = process
    process.exitCode = await connection.pipe(command, { stdin, stdout, stderr })
    connection.close()
    stdin.destroy()
  },
  ssh: async ({ backend }: LabChoice, [name]: string[]) => {
    if (name === undefined)
      throw new LabError('ssh needs a host', { hint: hosts.map((host) => host.name).join(', ') })
    const connection = await backend.connect(hostNamed(name))
    process.exitCode = await connection.terminal()
    connection.close()
  },
  doctor: async () => {
    process.exitCode = (await doctor((line) => console.log(line))) ? 0 : 2
  },
  gc: async () => {
    const done = await uninterrupted(collectGarbage)
    console.log(done.length === 0 ? 'nothing to remove' : done.map((line) => `removed ${line}`).join('\n'))
  },
}

function summary({ timings, changed }: Raised, withTimings: boolean): void {
  console.log(
    changed.length === 0 ? 'nothing changed' : `changed:\n${changed.map((line) => `  ${line}`).join('\n')}`,
  )
  if (withTimings) console.log(timingTable(timings))
}

async function main(args: string[]): Promise<void> {
  const [verb, ...rest] = args
  if (verb === undefined || verb === '--help' || verb === 'help') {
    console.log(usage)
    return
  }
  if (!(verb in verbs)) throw unknown('verb', verb, Object.keys(verbs))
  // What follows exec's host is the command's own, dashes and all.
  const own = verb === 'exec' ? leading(rest) : rest.length
  const { values, positionals } = parse(rest.slice(0, own), { ...labOptions, timings: { type: 'boolean' } })
  const choice = chooseLab(values, 'main')
  await verbs[verb as keyof typeof verbs](choice, [...positionals, ...rest.slice(own)], {
    timings: values.timings ?? false,
  })
}

/** How many words belong to `lab exec` itself: its flags, and the host. */
function leading(words: string[]): number {
  const at = words.findIndex(
    (word, i) => !word.startsWith('-') && words[i - 1] !== '--lab' && words[i - 1] !== '--backend',
  )
  return at < 0 ? words.length : at + 1
}

const interrupted = process.argv[2] === 'ssh' || process.argv[2] === 'exec' ? () => undefined : catchSignals()
main(process.argv.slice(2)).catch((error) => {
  const code = interrupted()
  console.error(code === undefined ? explain(error) : `interrupted: ${explain(error)}`)
  process.exitCode = code ?? 2
})
