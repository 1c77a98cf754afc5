/**
 * Taking a lab down, and finding what crashed runners left: only what a record names is touched.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { removeCgroup } from './cgroup.ts'
import { removeCutOffBuilds } from './image.ts'
import { machineState, removeMachine } from './machine.ts'
import { removeNetwork } from './network.ts'
import { diskRoot, labPaths } from './paths.ts'
import { ownerOf, ownership, readRecord, recordedLabs, removeRecord, writeRecord } from './record.ts'
import { run } from './run.ts'

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

/** Removes what nobody owns any more: labs whose runner died, hosts whose nspawn died, disks without a lab, cut-off builds. */
export async function collectGarbage(): Promise<string[]> {
  const done: string[] = []
  for (const lab of recordedLabs()) {
    const record = readRecord(lab)
    if (!record) continue
    const owned = ownership(record)
    if (owned === 'dead' || (owned === 'free' && !record.complete)) {
      await removeLab(lab)
      done.push(`lab ${lab}: its runner is gone`)
    } else if (owned === 'free') {
      for (const name of record.hosts.filter((each) => machineState(lab, each) === 'broken')) {
        await removeMachine(lab, name)
        done.push(`lab ${lab}: ${name} had lost its nspawn process`)
      }
    }
  }
  const disks = existsSync(diskRoot) ? readdirSync(diskRoot) : []
  for (const lab of disks.filter((each) => !readRecord(each))) {
    await run('rm', ['-rf', '--one-file-system', join(diskRoot, lab)])
    done.push(`disks of lab ${lab}, which is gone`)
  }
  return [...done, ...removeCutOffBuilds().map((name) => `${name}: a build that was cut off`)]
}
