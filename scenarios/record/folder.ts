/**
 * Where the report goes: report/, or a folder in it for a lab that was given a name, so that two labs at once do
 * not overwrite each other's.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The project's root, with a slash at its end. */
export const root = fileURLToPath(new URL('../..', import.meta.url))
/** The lab of the main job, when none is named. */
export const defaultLab = 'scenarios'

export function folderOf(lab: string): string {
  return lab === defaultLab ? join(root, 'report') : join(root, 'report', lab)
}

/** The one that this process writes to; the runner tells its workers by MULTIHOST_REPORT. */
export function reportFolder(): string {
  return process.env.MULTIHOST_REPORT ?? folderOf(process.env.MULTIHOST_LAB || defaultLab)
}

const written = /^(index\.html|junit.*\.xml|events\.jsonl|evidence)$/

/** Of an earlier run nothing stays: it would be taken for this one's. */
export function emptyReportFolder(): void {
  const folder = reportFolder()
  mkdirSync(folder, { recursive: true })
  for (const name of readdirSync(folder).filter((each) => written.test(each))) {
    rmSync(join(folder, name), { recursive: true, force: true })
  }
}
