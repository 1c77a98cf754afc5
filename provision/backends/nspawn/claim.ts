/**
 * Claiming a lab: who may make, use or remove it, and that what is up is what was asked for.
 */
import { existsSync, readFileSync } from 'node:fs'
import { defaultEngine } from '../../images/engines.ts'
import type { Programs } from '../../images/programs.ts'
import { edits, type Lab, namesOf } from '../../lab/definition.ts'
import { LabError } from '../../process/errors.ts'
import { labCommand } from '../../process/lab-command.ts'
import { processesIn } from './cgroup.ts'
import { diskRoot, labPaths, runRoot } from './paths.ts'
import {
  createRecord,
  engineIn,
  existing,
  type LabRecord,
  ownerOf,
  ownership,
  readRecord,
  refuseOtherDisks,
  writeRecord,
} from './record.ts'
import { removeLab } from './removal.ts'

export interface Asked {
  lab: Lab
  /** The hosts were asked for on the command line. */
  explicit: boolean
  engine?: string | undefined
  engines: Readonly<Record<string, string>>
  programs: Programs
  secure?: boolean
}

/**
 * Records this process as the owner before anything of the lab is made. Leftovers of a dead runner are
 * removed first. `joined`: the lab is complete already.
 */
export async function claim(name: string, asked: Asked): Promise<'made' | 'joined'> {
  const record = readRecord(name)
  const owner = ownerOf(process.pid)
  const mine = owner ? { owner } : {}
  refuseOthers(name)
  if (record?.complete && ownership(record) !== 'dead') {
    refuseOtherDisks(record)
    refuseChanges(record, asked)
    writeRecord({ ...record, ...(owner && { owner: { ...owner, stays: true } }) })
    return 'joined'
  }
  if (record) await removeLab(name)
  refuseForeignRun(name)
  const { lab: definition, engine = defaultEngine, engines, programs } = asked
  const made = { lab: name, engine, engines, definition, programs, disks: diskRoot, complete: false, ...mine }
  if (createRecord(made)) return 'made'
  throw inUse(name, 'another process')
}

/**
 * Records this process as the owner of a lab that is up, with the hosts that it has. Returns what ends that:
 * the lab has its earlier owner again: no owner, or a runner that has died.
 */
export function own(name: string): () => void {
  const record = existing(name)
  refuseOthers(name)
  refuseOtherDisks(record)
  const owner = ownerOf(process.pid)
  const stays = ownership(record) !== 'dead' && { stays: true }
  writeRecord({ ...record, ...(owner && { owner: { ...owner, ...stays } }) })
  return () => {
    release(name)
    if (!stays && record.owner) writeRecord({ ...existing(name), owner: record.owner })
  }
}

/** Removes the owner, so that the next runner does not take the lab for a dead runner's. */
export function release(name: string): void {
  const { owner: _, ...rest } = existing(name)
  writeRecord(rest)
}

/** Throws while another process that lives owns the lab. */
export function refuseOthers(name: string): void {
  const record = readRecord(name)
  if (!record || ownership(record) !== 'theirs') return
  throw inUse(name, `process ${record.owner?.pid}`)
}

/** Throws where the lab of the record is another one than was asked for. */
export function refuseChanges(record: LabRecord, asked: Asked): void {
  refuseOtherHosts(record, asked)
  refuseOtherEngines(record, asked)
  refuseOtherPrograms(record, asked)
  if (asked.secure !== true || existsSync(labPaths(record.lab).secrets)) return
  throw new LabError(`lab ${record.lab} is up without --secure`, { hint: takeDown(record.lab) })
}

/** What chooses the lab on a command line, with a blank before it. */
export function flag(name: string): string {
  return name === 'main' ? '' : ` --lab ${name}`
}

/**
 * Namespaces and cgroups are named after the lab alone: a lab of that name whose record is in another
 * folder would lose its hosts to this one.
 */
function refuseForeignRun(name: string): void {
  const folder = processesIn(labPaths(name).cgroup)
    .map((pid) => runRootIn(commandLine(pid), name))
    .find((each) => each !== undefined && each !== runRoot)
  if (folder === undefined) return
  throw new LabError(`a lab ${name} is up, whose record is in ${folder}`, {
    hint: `that one: MULTIHOST_LAB_RUN=${folder}; or name another lab: --lab NAME`,
  })
}

/** The folder of records that the command line of a host's nspawn names. */
export function runRootIn(words: readonly string[], lab: string): string | undefined {
  const root = words.find((word) => word.startsWith('--directory='))?.slice('--directory='.length)
  const at = root?.indexOf(`/${lab}/hosts/`) ?? -1
  return at < 0 ? undefined : root?.slice(0, at)
}

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return [] // it has ended
  }
}

function takeDown(lab: string): string {
  return `take it down first: ${labCommand} down${flag(lab)}`
}

function refuseOtherHosts({ lab, definition }: LabRecord, asked: Asked): void {
  const changes = edits(definition, asked)
  if (changes.length === 0) return
  throw new LabError(
    `lab ${lab} is up with other hosts than ${asked.lab.source} says: ${changes.join('; ')}`,
    { hint: takeDown(lab) },
  )
}

function refuseOtherEngines(record: LabRecord, asked: Asked): void {
  const engineAsked = (host: string) => asked.engines[host] ?? asked.engine ?? engineIn(record, host)
  const differs = namesOf(record.definition).filter((host) => engineAsked(host) !== engineIn(record, host))
  const first = differs[0]
  if (first === undefined) return
  throw new LabError(
    `lab ${record.lab} is up with engine ${engineIn(record, first)} on ${differs.join(', ')}, not ${engineAsked(first)}`,
    { hint: takeDown(record.lab) },
  )
}

function refuseOtherPrograms({ lab, programs }: LabRecord, asked: Asked): void {
  for (const kind of ['engine', 'consul'] as const) {
    const [have, want] = [programs?.[kind], asked.programs[kind]]
    if (want === undefined || want === have) continue
    throw new LabError(`lab ${lab} is up with --${kind}-from ${have ?? 'nothing'}, not ${want}`, {
      hint: takeDown(lab),
    })
  }
}

function inUse(name: string, by: string): LabError {
  return new LabError(`lab ${name} is in use by ${by}`, {
    hint: 'wait for that process or end it, or name another lab: --lab NAME',
  })
}
