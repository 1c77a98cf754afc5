/**
 * Which scenario files a run takes: the walkthrough, unless others are asked for.
 *
 * The walkthrough's files are numbered; each rests on those before it. They run first.
 */
import { readdirSync } from 'node:fs'
import { unknown } from '../provision/process/errors.ts'
import { root } from './record/folder.ts'
import { openPage } from './walkthrough/page/reading.ts'
import { PageFailure } from './walkthrough/page/replay.ts'

export interface Wish {
  /** Parts of paths. */
  filters: readonly string[]
  all: boolean
  /** Only files of this folder. */
  folder?: string | undefined
}

/** Paths from the project's root, in the order in which they run. Throws for a filter that nothing matches. */
export function selected({ filters, all, folder }: Wish, files = scenarioFiles()): string[] {
  const inFolder = files.filter((name) => name.startsWith(folder ?? ''))
  const chosen = new Set(filters.flatMap((filter) => matching(inFolder, filter)))
  if (filters.length === 0) return paths(all || folder !== undefined ? inFolder : inFolder.filter(ofPage))
  const last = files.filter((name) => ofPage(name) && chosen.has(name)).at(-1)
  return paths(
    files.filter((name) => chosen.has(name) || (last !== undefined && ofPage(name) && name < last)),
  )
}

/** The walkthrough's last file among those that a run takes. */
export function lastSection(files: readonly string[]): string | undefined {
  return files.filter(ofPage).at(-1)
}

/** That every section of the page with commands has its file, and every file its section. Before a lab is made. */
export function checkPage(files = scenarioFiles()): void {
  const { file, replayed } = openPage()
  const names = replayed.map(({ title }, index) => `walkthrough/${index + 1}-${slug(title)}.scenario.ts`)
  const missing = replayed.find((_, index) => !files.includes(names[index] ?? ''))
  if (missing !== undefined)
    throw new PageFailure(`${file}:${missing.line}: no scenario replays "${missing.title}"`)
  const surplus = files.filter(ofPage).find((name) => !names.includes(name))
  if (surplus !== undefined)
    throw new PageFailure(
      `scenarios/${surplus} replays no section of ${file}; those are for ${names.join(', ')}`,
    )
}

/** The order of a run's files, by their paths. */
export function walkthroughFirst(a: string, b: string): number {
  return Number(ofPage(b)) - Number(ofPage(a)) || a.localeCompare(b)
}

function scenarioFiles(): string[] {
  const names = readdirSync(`${root}scenarios`, { recursive: true, encoding: 'utf8' })
  return names.filter((name) => name.endsWith('.scenario.ts')).sort(walkthroughFirst)
}

const ofPage = (path: string) => /^(scenarios\/)?walkthrough\//.test(path)
const paths = (names: string[]) => names.map((name) => `scenarios/${name}`)
const slug = (title: string) => title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')

function matching(files: string[], filter: string): string[] {
  const found = files.filter((name) => `${root}scenarios/${name}`.includes(filter.replace(/^\.\//, '')))
  if (found.length > 0) return found
  throw unknown(
    'scenario',
    filter,
    files.map((name) => name.replace('.scenario.ts', '')),
  )
}
