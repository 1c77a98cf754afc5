/**
 * `scenarios DIR`: a folder of another project, or of docs/examples, with scenarios, and where it needs them
 * a list of hosts (lab.json) and a subject (subject.ts). docs/scenarios.md is the author's page.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { LabError } from '../provision/process/errors.ts'
import type { Subject } from './kit/subject.ts'
import { root } from './record/folder.ts'

export interface OwnFolder {
  /** Absolute, with a slash at its end. */
  path: string
  /** Paths from the folder. */
  files: string[]
  /** Its lab.json. */
  labFile?: string
}

/** The folder that the first word names; undefined when the word is a filter. The words after it are filters. */
export function ownFolder([word, ...filters]: readonly string[]): OwnFolder | undefined {
  const path = `${resolve(word ?? '')}/`
  const isFolder = word !== undefined && existsSync(path) && statSync(path).isDirectory()
  if (!isFolder || path.startsWith(`${root}scenarios/`)) return undefined
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).sort()
  const scenarios = names.filter((name) => name.endsWith('.scenario.ts') && !name.includes('node_modules/'))
  const files = scenarios.filter(
    (name) => filters.length === 0 || filters.some((filter) => name.includes(filter)),
  )
  if (files.length === 0) throw new LabError(`${path} has no file ${filters.join(' or ')}*.scenario.ts`)
  const labFile = join(path, 'lab.json')
  return { path, files, ...(existsSync(labFile) && { labFile }) }
}

/** The default export of the folder's subject.ts; undefined without such a file. */
export async function subjectIn({ path }: OwnFolder): Promise<Subject | undefined> {
  const file = join(path, 'subject.ts')
  if (!existsSync(file)) return undefined
  const { default: subject } = (await import(pathToFileURL(file).href)) as { default?: Subject }
  if (subject?.name !== undefined && subject.role !== undefined) return subject
  throw new LabError(`${file} exports no subject`, {
    hint: 'docs/scenarios.md shows one: export default { … }',
  })
}
