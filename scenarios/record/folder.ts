/**
 * The report's folder: report/, or report/NAME for a lab with a name of its own. Two labs at once keep two
 * reports.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LabError } from '../../provision/process/errors.ts'

/** The project's root, with a slash at its end. */
export const root = fileURLToPath(new URL('../..', import.meta.url))
/** Absolute path, with a slash at its end, of the folder of `scenarios DIR`. */
export const folderVariable = 'MULTIHOST_FOLDER'

/** The folder that paths of scenarios begin at: the project's root, or the folder of `scenarios DIR`. */
export const scenarioRoot = (): string => process.env[folderVariable] ?? root

/** Name of the main job's lab, when none is given. */
export const defaultLab = 'scenarios'

export function folderOf(lab: string): string {
  const report = join(scenarioRoot(), 'report')
  return lab === defaultLab ? report : join(report, lab)
}

/** The folder that this process writes to. The parent process names it to vitest's workers by MULTIHOST_REPORT. */
export function reportFolder(): string {
  return process.env.MULTIHOST_REPORT ?? folderOf(process.env.MULTIHOST_LAB || defaultLab)
}

const written = /^(index\.html|junit.*\.xml|events\.jsonl|evidence)$/

/**
 * Removes the report of an earlier run: a reader would take it for this run's. Throws for a report of a
 * person's, which a folder of scenarios may have.
 */
export function emptyReportFolder(): void {
  const folder = reportFolder()
  mkdirSync(folder, { recursive: true })
  const names = readdirSync(folder)
  const old = names.filter((each) => written.test(each))
  // Every report has its events.
  if (old.length > 0 && !names.includes('events.jsonl'))
    throw new LabError(`${folder} has ${old.join(', ')}, and no report of an earlier run`, {
      hint: 'the report would replace it: move it away',
    })
  for (const name of old) rmSync(join(folder, name), { recursive: true, force: true })
}
