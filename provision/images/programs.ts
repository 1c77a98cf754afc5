/**
 * Programs that a user brings for the hosts: an engine's (`--engine-from DIR`, as in Docker's static archive)
 * and Consul's (`--consul-from FILE`). They are checked before anything is made; whether hosts that are other
 * machines can run them is asked there (steps/programs-fit.ts).
 */
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { LabError } from '../process/errors.ts'
import { checkInterrupted } from '../process/interruption.ts'
import { run } from '../process/run.ts'
import { timeoutScale } from '../process/timeout-scale.ts'

export interface Programs {
  /** Folder of an engine's programs. */
  engine?: string | undefined
  /** Consul's program. */
  consul?: string | undefined
}

/** What is missing in the folder comes from the host's own engine. */
const enginePrograms = [
  ...['dockerd', 'docker', 'docker-proxy', 'docker-init'],
  ...['containerd', 'containerd-shim-runc-v2', 'runc'],
]

/**
 * Absolute paths of the given folder and file; throws for programs that cannot be used. `here`: the hosts are
 * containers of this machine, so that programs for another one cannot be used.
 */
export async function checkedPrograms({ engine, consul }: Programs, here: boolean): Promise<Programs> {
  const hosts = here ? thisMachine : undefined
  if (engine !== undefined) checkEngine(engine, hosts)
  if (consul !== undefined) {
    checkConsul(consul, hosts)
    if (here) await askConsul(consul)
  }
  return {
    engine: engine === undefined ? undefined : resolve(engine),
    consul: consul === undefined ? undefined : resolve(consul),
  }
}

/** Those of the engine's programs that the folder has: name → path. */
export function engineProgramsIn(folder: string): Record<string, string> {
  const names = readdirSync(folder)
  const found = enginePrograms.filter((name) => names.includes(name))
  return Object.fromEntries(found.map((name) => [name, join(folder, name)]))
}

function checkEngine(folder: string, hosts?: Processor): void {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new LabError(`--engine-from ${folder}: there is no such folder`)
  const programs = engineProgramsIn(folder)
  if (programs.dockerd === undefined) {
    throw new LabError(`--engine-from ${folder}: there is no dockerd in this folder`, {
      hint: `the folder must have the programs of Docker's static archive: ${enginePrograms.join(', ')}`,
    })
  }
  for (const path of Object.values(programs)) checkProgram(path, '--engine-from', hosts)
}

/** For `consul version`. */
const answerLimitMs = 10_000 * timeoutScale

function checkConsul(file: string, hosts?: Processor): void {
  if (!existsSync(file)) throw new LabError(`--consul-from ${file}: there is no such file`)
  checkProgram(file, '--consul-from', hosts)
}

async function askConsul(file: string): Promise<void> {
  if ((statSync(file).mode & 0o111) === 0)
    throw new LabError(`--consul-from ${file}: not executable`, { hint: `chmod +x ${file}` })
  const version = await run(resolve(file), ['version'], { signal: AbortSignal.timeout(answerLimitMs) }).catch(
    () => '',
  )
  checkInterrupted()
  checkAnswer(file, version)
}

/** What the driver's calls need: docs/consul.md. */
const oldest = { major: 1, minor: 8 }

/** `version`: what the program prints for `consul version`. */
export function checkAnswer(file: string, version: string, on = ''): void {
  const [, found, major, minor] = /^Consul v((\d+)\.(\d+)\S*)/.exec(version) ?? []
  if (found !== undefined) {
    if (Number(major) > oldest.major || (Number(major) === oldest.major && Number(minor) >= oldest.minor))
      return
    throw new LabError(
      `--consul-from ${file}: this is Consul ${found}${on}, and the driver needs ${oldest.major}.${oldest.minor} or newer`,
    )
  }
  throw new LabError(
    `--consul-from ${file}: this program is not Consul${on}; "consul version" must print "Consul v…"`,
  )
}

/** Number of a processor in an ELF header, by Node's name of it. Source: elf(5), e_machine. */
const machines: Readonly<Record<string, number>> = { x64: 62, arm64: 183 }

interface Processor {
  /** Node's name of it. */
  arch: string
  /** For messages: `net-1 is`. */
  name: string
}

const thisMachine: Processor = { arch: process.arch, name: 'the hosts are' }

/** Throws unless the file is a Linux program, for the processor where one is given. */
export function checkProgram(path: string, flag: string, hosts?: Processor): void {
  const header = Buffer.alloc(20)
  const status = statSync(path, { throwIfNoEntry: false })
  if (status === undefined) throw new LabError(`${flag} ${path}: a link to a file that does not exist`)
  if (!status.isFile()) throw new LabError(`${flag} ${path}: not a file`)
  const file = openSync(path, 'r')
  const length = readSync(file, header, 0, 20, 0)
  closeSync(file)
  if (length < 20 || header.toString('latin1', 0, 4) !== '\x7fELF')
    throw new LabError(`${flag} ${path}: not a Linux program (no ELF header)`)
  const machine = header.readUInt16LE(18)
  if (hosts === undefined || machine === machines[hosts.arch]) return
  const name = Object.keys(machines).find((each) => machines[each] === machine) ?? `ELF machine ${machine}`
  throw new LabError(`${flag} ${path}: a program for ${name}, and ${hosts.name} ${hosts.arch}`)
}
