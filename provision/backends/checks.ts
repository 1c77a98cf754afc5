/**
 * `lab doctor`: known problems of this machine, and the remedy for each. One file of checks per backend.
 */
import { existsSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'

/** What the check found, or a problem with its remedy. `warning`: the lab may still work. */
export type Verdict = { found: string } | { problem: string; remedy: string; warning?: boolean }

export interface Check {
  title: string
  look(): Promise<Verdict>
}

/** Prints a line per check. Resolves with false if a problem prevents the lab. */
export async function examine(checks: readonly Check[], say: (line: string) => void): Promise<boolean> {
  let well = true
  for (const { title, look } of checks) {
    const seen = await look().catch((error) => ({
      problem: `the check itself failed: ${reason(error)}`,
      remedy: 'run it as root, with the packages installed',
      warning: true,
    }))
    if ('found' in seen) {
      say(`ok       ${title}: ${seen.found}`)
      continue
    }
    if (!seen.warning) well = false
    say(`${seen.warning ? 'warning ' : 'PROBLEM '} ${title}: ${seen.problem}\n         → ${seen.remedy}`)
  }
  return well
}

/** The last line of the tool's stderr; `ENOENT` for a tool that is not installed. */
export function reason(error: unknown): string {
  const { stderr, code, message } = error as { stderr?: string; code?: string; message: string }
  return stderr?.trim().split('\n').at(-1) || code || message
}

const neededBytes = 4 * 2 ** 30

export function disk(title: string, folder: string): Check {
  return {
    title: `disk for the ${title}`,
    async look() {
      const at = nearest(folder)
      const { bavail, bsize } = statfsSync(at)
      const free = bavail * bsize
      if (free >= neededBytes) return { found: `${(free / 2 ** 30).toFixed(0)} GiB free at ${at}` }
      return {
        problem: `${(free / 2 ** 30).toFixed(1)} GiB free at ${at}, and 4 are needed`,
        remedy: 'make room',
      }
    },
  }
}

function nearest(folder: string): string {
  return existsSync(folder) ? folder : nearest(dirname(folder))
}
