/**
 * Taking a lab down, and finding what crashed runners left: only what a record names is touched.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { removeCutOffBuilds } from '../../images/image.ts'
import { LabError } from '../../process/errors.ts'
import { requireRoot } from '../../process/root.ts'
import { run } from '../../process/run.ts'
import { removeCgroup } from './cgroup.ts'
import { machineState, removeMachine } from './machine.ts'
import { removeNetwork } from './network.ts'
import { diskRoot, labPaths } from './paths.ts'
import { ownerOf, ownership, readRecord, recordedLabs, removeRecord, writeRecord } from './record.ts'

/** Takes down what a record names, and the record last. Safe to repeat, and to run on what is half made. */
export async function removeLab(lab: string): Promise<void> {
  const record = readRecord(lab)
  if (!record) return
  const { owner: _, ...rest } = record
  const me = ownerOf(process.pid)
  writeRecord({ ...rest, complete: false, ...(me ? { owner: me } : {}) })
  await Promise.all(record.hosts.map((name) => removeMachine(lab, name)))
  await removeNetwork(lab, record.hosts)
  await removeCgroup(labPaths(lab).cgroup)
  if (recordedLabs().length === 1) await removeCgroup('multihost-lab').catch(() => undefined) // another lab may be starting
  await run('rm', ['-rf', '--one-file-system', labPaths(lab).disks])
  removeRecord(lab)
}

export interface Garbage {
  /** What it was and why it went. */
  removed: string[]
  /** What could not be told or removed, and why. */
  kept: string[]
}

/** Removes what nobody owns any more: labs whose runner died, hosts whose nspawn died, disks without a lab, cut-off builds. */
export async function collectGarbage(): Promise<Garbage> {
  requireRoot('nspawn hosts')
  const garbage: Garbage = { removed: [], kept: [] }
  for (const lab of recordedLabs()) {
    try {
      garbage.removed.push(...(await removeUnowned(lab)))
    } catch (error) {
      if (!(error instanceof LabError)) throw error
      garbage.kept.push(`lab ${lab}: ${error.message}`) // one that cannot be removed keeps the others from nothing
    }
  }
  const disks = existsSync(diskRoot) ? readdirSync(diskRoot) : []
  const known = recordedLabs()
  for (const lab of disks.filter((each) => !known.includes(each) && areDisks(join(diskRoot, each)))) {
    await run('rm', ['-rf', '--one-file-system', join(diskRoot, lab)])
    garbage.removed.push(`disks of lab ${lab}, which is gone`)
  }
  garbage.removed.push(...removeCutOffBuilds().map((name) => `${name}: a build that was cut off`))
  return garbage
}

/** What a killed runner left of images in the making: the host that was to import one, and half a root. */
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
  const broken = record.hosts.filter((each) => machineState(lab, each) === 'broken')
  for (const name of broken) await removeMachine(lab, name)
  return broken.map((name) => `lab ${lab}: ${name} had lost its nspawn process`)
}

/** A lab's folder has its hosts' and nothing else; after a reboot of the machine no record says so any more. */
function areDisks(folder: string): boolean {
  if (!statSync(folder).isDirectory()) return false
  const hosts = readdirSync(folder, { withFileTypes: true })
  return hosts.every((each) => each.isDirectory() && existsSync(join(folder, each.name, 'upper')))
}
