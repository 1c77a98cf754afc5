/**
 * Selects the scenario files of a run: the walkthrough, unless others are asked for.
 *
 * The walkthrough's files are numbered, and each needs the state that those before it leave. They run first.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { unknown } from '../provision/process/errors.ts'
import { root } from './record/folder.ts'
import { openPage } from './walkthrough/page/reading.ts'
import { PageFailure } from './walkthrough/page/replay.ts'

export interface Wanted {
  /** Parts of paths from scenarios/. */
  filters: readonly string[]
  all: boolean
  /** Selects in this folder alone, such as `conformance/`. */
  folder?: string | undefined
}

/** Paths from the project's root, in the order of the run. Throws a LabError for a filter that matches no file. */
export function selected({ filters, all, folder }: Wanted, files = scenarioFiles()): string[] {
  const inFolder = files.filter((name) => name.startsWith(folder ?? ''))
  const chosen = new Set(filters.flatMap((filter) => matching(inFolder, filter)))
  if (filters.length === 0) {
    const isMeant = all ? (name: string) => !isApart(name) : ofPage
    return paths(folder === undefined ? inFolder.filter(isMeant) : inFolder)
  }
  const last = files.filter((name) => ofPage(name) && chosen.has(name)).at(-1)
  return paths(
    files.filter((name) => chosen.has(name) || (last !== undefined && ofPage(name) && name < last)),
  )
}

/**
 * How many hosts the file's scenarios need, where it says so: `export const dockerHosts = 4`,
 * `… consulServers = 3`.
 */
export function hostsNeededBy(file: string): { docker: number | undefined; consul: number | undefined } {
  const text = readFileSync(`${root}${file}`, 'utf8')
  const said = (name: string): number | undefined => {
    const found = new RegExp(`^export const ${name} = (\\d+)$`, 'm').exec(text)
    return found === null ? undefined : Number(found[1])
  }
  return { docker: said('dockerHosts'), consul: said('consulServers') }
}

/**
 * Name of the lab with more hosts that a run on `lab` brings up after it; both can stay, with `--keep`. A
 * name has at most 16 characters, so that a long one is cut, with a hash in place of what is lost.
 */
export function wideName(lab: string): string {
  const hash = createHash('sha256').update(lab).digest('hex').slice(0, 4)
  return lab.length <= 12 ? `${lab}wide` : `${lab.slice(0, 8)}${hash}wide`
}

/** The last of the walkthrough's files among `files`. */
export function lastSection(files: readonly string[]): string | undefined {
  return files.filter(ofPage).at(-1)
}

/**
 * Checks that every section of the page with commands has its file, and every file its section. Throws a
 * PageFailure. Called before a lab is brought up.
 */
export function checkPage(): void {
  const files = scenarioFiles()
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

/** Compares two paths by their order in a run. */
export function walkthroughFirst(a: string, b: string): number {
  return Number(ofPage(b)) - Number(ofPage(a)) || a.localeCompare(b)
}

function scenarioFiles(): string[] {
  const names = readdirSync(`${root}scenarios`, { recursive: true, encoding: 'utf8' })
  return names.filter((name) => name.endsWith('.scenario.ts')).sort(walkthroughFirst)
}

const ofPage = (path: string) => /^(scenarios\/)?walkthrough\//.test(path)
/** Real programs need an image of their own, which takes minutes to build: only a filter selects them. */
const isApart = (path: string) => path.startsWith('programs/')
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
