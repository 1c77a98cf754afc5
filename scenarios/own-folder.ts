/**
 * `scenarios DIR`: a folder of another project, or of docs/examples, with scenarios, and where it needs them
 * a list of hosts (lab.json) and a subject (subject.ts). docs/scenarios.md is the author's page.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { roles } from '../provision/lab/definition.ts'
import { LabError } from '../provision/process/errors.ts'
import { programCommand } from '../provision/process/lab-command.ts'
import { shellQuote } from '../provision/process/quote.ts'
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
  if (word === '')
    throw new LabError('the first argument is empty', { hint: 'give a folder or a filter, or leave it out' })
  const path = resolve(word ?? '').replace(/\/*$/, '/')
  const isFolder = word !== undefined && existsSync(path) && statSync(path).isDirectory()
  if (!isFolder || path.startsWith(`${root}scenarios/`)) return undefined
  if (root.startsWith(path) && !root.includes('/node_modules/')) {
    const examples = `${relative('', root)}/docs/examples/etcd`.replace(/^\//, '')
    throw new LabError(`${path} contains this whole project, and a run takes the scenarios of one folder`, {
      hint: `name a folder like ${examples}, or choose among this project's scenarios by a filter`,
    })
  }
  const scenarios = scenariosBelow(path).sort()
  const files = scenarios.filter(
    (name) => filters.length === 0 || filters.some((filter) => name.includes(filter)),
  )
  if (files.length === 0) throw new LabError(`${path} has no file ${filters.join(' or ')}*.scenario.ts`)
  refuseBelow(path, files)
  const labFile = join(path, 'lab.json')
  return { path, files, ...(existsSync(labFile) && { labFile }) }
}

/** A run has one subject and one list of hosts: those of another folder would not count. */
function refuseBelow(path: string, files: readonly string[]): void {
  const folders = new Set(files.flatMap((file) => parents(file)))
  for (const folder of folders) {
    const own = ['subject.ts', 'lab.json'].find((name) => existsSync(join(path, folder, name)))
    if (own === undefined) continue
    throw new LabError(`${path}: ${folder} below it has a ${own} of its own, which would not count`, {
      hint: `run it alone: ${programCommand('scenarios')} ${shellQuote(join(path, folder))}`,
    })
  }
}

/** Folders on the way to the file, the first of them first: `a`, `a/b` for `a/b/c.scenario.ts`. */
function parents(file: string): string[] {
  const words = file.split('/').slice(0, -1)
  return words.map((_, at) => words.slice(0, at + 1).join('/'))
}

/** Without those of packages. A link to a folder is not followed: it may lead back here. */
function scenariosBelow(folder: string, within = ''): string[] {
  return readdirSync(join(folder, within), { withFileTypes: true }).flatMap((entry) => {
    const path = join(within, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : scenariosBelow(folder, path)
    return entry.name.endsWith('.scenario.ts') ? [path] : []
  })
}

/**
 * The default export of the folder's subject.ts; undefined without such a file. Throws a LabError for a
 * wrong one.
 */
export async function subjectIn({ path }: OwnFolder): Promise<Subject | undefined> {
  const file = join(path, 'subject.ts')
  if (!existsSync(file)) return undefined
  const { default: subject } = await loaded(file)
  if (typeof subject !== 'object' || subject === null) {
    throw new LabError(`${file} exports no subject`, {
      hint: 'docs/scenarios.md shows one: export default program({ … })',
    })
  }
  checkSubject(subject, file)
  return subject
}

async function loaded(file: string): Promise<{ default?: unknown }> {
  try {
    return await import(pathToFileURL(file).href)
  } catch (cause) {
    if (cause instanceof LabError) throw cause
    const { message, stack = '' } = cause instanceof Error ? cause : new Error(`${cause}`)
    const line = stack.match(/\/subject\.ts:(\d+)/)?.[1]
    const words = message.trim().replaceAll(/:?\s*\n\s*/g, ': ')
    const at = line === undefined || words.includes('subject.ts:') ? '' : ` (line ${line})`
    throw new LabError(`${file} cannot be loaded: ${words}${at}`, { cause })
  }
}

const isText = (value: unknown) => typeof value === 'string' && value !== ''
const isRecord = (value: unknown) => typeof value === 'object' && value !== null
const isStep = (value: unknown) => {
  const { title, holds, apply } = (value ?? {}) as Partial<Subject['steps'][number]>
  return isText(title) && typeof holds === 'function' && typeof apply === 'function'
}

/** The words that every subject has, in the order of docs/scenarios.md. */
const needed: Readonly<Record<string, (value: unknown) => boolean>> = {
  name: isText,
  role: isText,
  steps: Array.isArray,
  mustPass: (value) => typeof value === 'boolean',
  create: Array.isArray,
  spreads: isText,
  unit: isText,
  answers: isText,
  settled: isText,
  evidence: isRecord,
  lacks: isRecord,
}

function checkSubject(value: object, file: string): asserts value is Subject {
  const subject = value as Record<string, unknown> & Partial<Subject>
  const wrong = Object.keys(needed).filter((word) => needed[word]?.(subject[word]) === false)
  if (wrong.length > 0) {
    throw new LabError(
      `${file}: the subject lacks ${wrong.join(', ')}, or has a value of another type there`,
      {
        hint: 'docs/scenarios.md says what each is; program({ name, role, steps, unit, answers }) fills in the others',
      },
    )
  }
  if (!roles.some((role) => role === subject.role)) {
    const role = JSON.stringify(subject.role)
    throw new LabError(`${file}: role ${role} is not one of ${roles.join(', ')}`)
  }
  const at = subject.steps?.findIndex((step) => !isStep(step)) ?? -1
  if (at >= 0) throw new LabError(`${file}: step ${at + 1} of its subject needs a title, holds and apply`)
}
