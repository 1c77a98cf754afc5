/**
 * What is packaged: the version and the authors from package.json, and the time of Git's commit.
 *
 * All times in a package are the commit's, so that two builds of a commit are equal. SOURCE_DATE_EPOCH
 * replaces it, for sources outside of a checkout. Source: reproducible-builds.org/specs/source-date-epoch.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { LabError } from '../process/errors.ts'
import { run } from '../process/run.ts'

export const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Release {
  version: string
  /** `Name <address>`. */
  maintainer: string
  epochS: number
}

/** Debian wants an address (policy 5.6.2), and the project has no mailbox: the mail stays on the machine. */
const address = 'multihost@localhost'

export async function currentRelease(): Promise<Release> {
  const { version, author } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as Record<
    'version' | 'author',
    string
  >
  return { version, maintainer: `${author} <${address}>`, epochS: await epochSeconds() }
}

async function epochSeconds(): Promise<number> {
  const given = process.env.SOURCE_DATE_EPOCH
  if (given !== undefined) return Number(given)
  try {
    return Number(await run('git', ['-C', root, 'log', '-1', '--format=%ct']))
  } catch (cause) {
    throw new LabError('the time of the commit is not known: this folder is not a checkout of Git', {
      hint: 'set SOURCE_DATE_EPOCH to the seconds since 1970 of this release',
      cause,
    })
  }
}
