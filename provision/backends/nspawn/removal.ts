/**
 * Taking a lab down, and finding what crashed runners left: only what a record names is touched.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { removeCutOffBuilds } from '../../images/cache.ts'
import { namesOf } from '../../lab/definition.ts'
import { LabError } from '../../process/errors.ts'
import { mounts } from '../../process/mounts.ts'
import { requireRoot } from '../../process/root.ts'
import { run } from '../../process/run.ts'
import { removeCgroup, removeSharedCgroup } from './cgroup.ts'
import { machineState, removeMachine } from './machine.ts'
import { removeNetwork } from './network.ts'
import { diskRoot, labPaths } from './paths.ts'
import {
  type LabRecord,
  ownerOf,
  ownership,
  readRecord,
  recordedLabs,
  refuseOtherDisks,
  removeRecord,
  writeRecord,
} from './record.ts'

/**
 * Removes what the lab's record names, and the record last. Idempotent; works on a lab that is half made.
 * Throws for a lab of another process that lives.
 */
export async function removeLab(lab: string): Promise<void> {
  const record = readRecord(lab)
  if (!record) return
  // Another process may have made the lab anew since the caller has looked.
  if (ownership(record) === 'theirs')
    throw new LabError(`lab ${lab} is in use by process ${record.owner?.pid}`)
  const { owner: _, ...rest } = record
  const me = ownerOf(process.pid)
  unlessFull(() => writeRecord({ ...rest, complete: false, ...(me ? { owner: me } : {}) }))
  const hosts = namesOf(record.definition)
  await Promise.all(hosts.map((name) => removeMachine(lab, name)))
  await removeNetwork(lab, hosts)
  await removeCgroup(labPaths(lab).cgroup)
  if (recordedLabs().length === 1) removeSharedCgroup() // another lab may be starting
  await run('rm', ['-rf', '--one-file-system', disksOf(record)])
  removeRecord(lab)
}

/** A removal makes room, so that it goes on without its record where the disk is full. */
function unlessFull(write: () => void): void {
  try {
    write()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}

function disksOf({ lab, disks = diskRoot }: LabRecord): string {
  return join(disks, lab)
}

export interface Garbage {
  /** One line per thing: what it was, and why it was removed. */
  removed: string[]
  /** One line per lab that could not be removed, and why. */
  kept: string[]
}

/** Removes labs whose runner died, hosts whose nspawn died, disks without a lab, and builds that were cut off. */
export async function collectGarbage(): Promise<Garbage> {
  requireRoot('nspawn hosts')
  const garbage: Garbage = { removed: [], kept: [] }
  for (const lab of recordedLabs()) {
    try {
      garbage.removed.push(...(await removeUnowned(lab)))
    } catch (error) {
      if (!(error instanceof LabError)) throw error
      garbage.kept.push(`lab ${lab}: ${error.message}`) // the other labs are still removed
    }
  }
  const disks = existsSync(diskRoot) ? readdirSync(diskRoot) : []
  const known = recordedLabs()
  const options = mounts().flatMap((mount) => mount.options)
  // A lab whose record is in another folder (MULTIHOST_LAB_RUN) may be up on them.
  const isLeft = (each: string) =>
    !known.includes(each) &&
    !options.some((option) => option.startsWith(`upperdir=${join(diskRoot, each)}/`)) &&
    areDisks(join(diskRoot, each))
  for (const lab of disks.filter(isLeft)) {
    await run('rm', ['-rf', '--one-file-system', join(diskRoot, lab)])
    garbage.removed.push(`disks of lab ${lab}: the lab is gone`)
  }
  garbage.removed.push(...removeCutOffBuilds().map((name) => `${name}: a build that was cut off`))
  return garbage
}

/** Removes what a killed runner left of a build: the host that imports the image, and half a root. */
export async function removeAbandonedBuilds(): Promise<void> {
  for (const lab of recordedLabs().filter((each) => /^img\d+$/.test(each))) {
    const record = readRecord(lab)
    if (record && ownership(record) === 'dead') await removeLab(lab)
  }
  removeCutOffBuilds()
}

async function removeUnowned(lab: string): Promise<string[]> {
  const record = readRecord(lab)
  if (!record) return []
  const owned = ownership(record)
  if (owned === 'dead' || (owned === 'free' && !record.complete)) {
    await removeLab(lab)
    return [`lab ${lab}: its runner is gone`]
  }
  if (owned !== 'free') return []
  const broken = namesOf(record.definition).filter((each) => machineState(lab, each) === 'broken')
  if (broken.length > 0) refuseOtherDisks(record)
  for (const name of broken) await removeMachine(lab, name)
  return broken.map((name) => `lab ${lab}: ${name} had lost its nspawn process`)
}

/** True for a folder that contains folders of hosts alone. After a reboot of the machine no record names it. */
function areDisks(folder: string): boolean {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return false // or removed meanwhile
  const hosts = readdirSync(folder, { withFileTypes: true })
  return hosts.every((each) => each.isDirectory() && existsSync(join(folder, each.name, 'upper')))
}
