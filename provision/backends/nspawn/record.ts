/**
 * The lab's record: the names of all that it makes, written before the first of it is made and removed after
 * the last of it is gone.
 *
 * `owner` is the process that is making, using or removing the lab. A lab without an owner stays (`lab up`,
 * `--keep`). A lab whose owner has died is a leftover: the next `up` or `gc` removes it. A lab that was whole
 * before its owner came (`stays`) is no leftover.
 */
import { existsSync, linkSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Programs } from '../../images/programs.ts'
import type { Lab } from '../../lab/definition.ts'
import { LabError } from '../../process/errors.ts'
import { jsonIn } from '../../process/json.ts'
import { labCommand } from '../../process/lab-command.ts'
import { unlessGone } from '../../process/unless-gone.ts'
import { writePart, writeWhole } from '../../process/whole-file.ts'
import { diskRoot, labPaths, runRoot } from './paths.ts'

export interface LabRecord {
  lab: string
  engine: string
  /** Engine of each host, where it differs from `engine`. */
  engines: Readonly<Record<string, string>>
  /** Its hosts. */
  definition: Lab
  /** Programs of --engine-from and --consul-from. */
  programs?: Programs
  /** Folder of the labs' disks, MULTIHOST_LAB_DISKS, when it was made. */
  disks?: string
  /** All of the lab was made. */
  complete: boolean
  /**
   * Process id and its start time in clock ticks since boot (proc(5), field 22), so that a reused id is told
   * apart. `stays`: the lab was whole before, so it outlives this owner also when the owner is killed.
   */
  owner?: Owner
}

export interface Owner {
  pid: number
  startedAt: string
  stays?: boolean
}

export function readRecord(lab: string): LabRecord | undefined {
  const file = labPaths(lab).record
  const text = unlessGone(() => readFileSync(file, 'utf8'))
  if (text === undefined) return undefined
  const record = jsonIn(text)
  if (isRecord(record)) return record
  throw new LabError(`${file} is not a record of a lab`, {
    hint: 'another program, or another version of this one, wrote it: look at it, and remove it yourself',
  })
}

/** A record is written as a whole or not at all, so its fields are enough to recognize it. */
function isRecord(value: unknown): value is LabRecord {
  const { lab, engine, engines, definition, complete } = (value ?? {}) as Partial<LabRecord>
  const hosts = definition?.hosts?.flatMap(({ name, address }) => [name, address]) ?? [undefined]
  const texts = [lab, engine, definition?.network, ...Object.values(engines ?? [undefined]), ...hosts]
  return texts.every((each) => typeof each === 'string') && typeof complete === 'boolean'
}

export function writeRecord(record: LabRecord): void {
  writeWhole(labPaths(record.lab).record, textOf(record))
}

/** Writes the record of a lab that has none; false when another process has written one meanwhile. */
export function createRecord(record: LabRecord): boolean {
  const part = writePart(labPaths(record.lab).record, textOf(record))
  try {
    linkSync(part, labPaths(record.lab).record)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(part, { force: true })
  }
}

function textOf(record: LabRecord): string {
  return JSON.stringify(record, null, 2)
}

export function removeRecord(lab: string): void {
  rmSync(labPaths(lab).run, { recursive: true, force: true })
}

/** Names of all labs that have a record. */
export function recordedLabs(): string[] {
  return (unlessGone(() => readdirSync(runRoot)) ?? []).filter((lab) => existsSync(labPaths(lab).record))
}

/** The record of a lab that must be up. */
export function existing(lab: string): LabRecord {
  const record = readRecord(lab)
  if (record) return record
  const others = recordedLabs()
  const up = `${labCommand} up${lab === 'main' ? '' : ` --lab ${lab}`}`
  throw new LabError(`lab ${lab} is not up`, {
    hint: others.length > 0 ? `labs that are: ${others.join(', ')}` : up,
  })
}

/** Throws where the lab was made with another MULTIHOST_LAB_DISKS: what a host needs to boot is there. */
export function refuseOtherDisks({ lab, disks = diskRoot }: LabRecord): void {
  if (disks === diskRoot) return
  throw new LabError(`lab ${lab} has its disks in ${disks}, and this command would look in ${diskRoot}`, {
    hint: `name that folder: MULTIHOST_LAB_DISKS=${disks}`,
  })
}

/** Engine of the host. */
export function engineIn(record: LabRecord, host: string): string {
  return record.engines[host] ?? record.engine
}

export function ownerOf(pid: number): Owner | undefined {
  const startedAt = startTime(pid)
  return startedAt === undefined ? undefined : { pid, startedAt }
}

/** `free`: no owner; `theirs`: another process, which lives; `dead`: its owner has ended, so it is a leftover. */
export function ownership(record: LabRecord): 'mine' | 'free' | 'theirs' | 'dead' {
  if (!record.owner) return 'free'
  if (startTime(record.owner.pid) !== record.owner.startedAt) return record.owner.stays ? 'free' : 'dead'
  return record.owner.pid === process.pid ? 'mine' : 'theirs'
}

function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(join('/proc', String(pid), 'stat'), 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined // no such process
  }
}
