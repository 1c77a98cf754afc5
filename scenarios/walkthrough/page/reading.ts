/**
 * Opens the page of this run: docs/walkthrough.md, or the copy that MULTIHOST_PAGE names.
 */
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defaultLab } from '../../../provision/lab/definition.ts'
import { boundToThemselves } from './matcher.ts'
import { type Heading, parsePage } from './page.ts'
import type { Reading } from './replay.ts'
import { updatedPage } from './update.ts'

export interface Page {
  path: string
  /** Path from the project's root, for messages. */
  file: string
  backend: string
  /** Title of each `##` heading → that heading and those below it, with the commands for this backend. */
  sections: ReadonlyMap<string, Heading[]>
  /** The `##` headings of sections that have commands for any backend. */
  replayed: Heading[]
  reading: Reading
  /** The page's text with this run's outputs. */
  updated(): string
}

const root = fileURLToPath(new URL('../../..', import.meta.url))

export function openPage(): Page {
  const environment = process.env
  const path = environment.MULTIHOST_PAGE ?? `${root}docs/walkthrough.md`
  const backend = environment.MULTIHOST_BACKEND ?? 'nspawn'
  const file = relative(root, path)
  const text = readFileSync(path, 'utf8')
  const { hosts } = defaultLab() // the page is of these
  const headings = parsePage(
    text,
    file,
    hosts.map((host) => host.name),
  )
  const reading: Page['reading'] = {
    file,
    bindings: boundToThemselves(hosts.map((host) => host.address)),
    update: environment.MULTIHOST_UPDATE === '1' ? [] : undefined,
  }
  return {
    path,
    file,
    backend,
    sections: bySection(headings, backend),
    replayed: withCommands(headings),
    reading,
    updated: () => updatedPage(text, reading.update ?? [], reading.bindings),
  }
}

function withCommands(headings: Heading[]): Heading[] {
  return headings.filter(({ level }, at) => {
    const next = headings.findIndex((each, other) => other > at && each.level === 2)
    const own = headings.slice(at, next < 0 ? undefined : next)
    return level === 2 && own.some(({ steps }) => steps.length > 0)
  })
}

function bySection(headings: Heading[], backend: string): Map<string, Heading[]> {
  const sections = new Map<string, Heading[]>()
  let current: Heading[] = []
  for (const heading of headings) {
    const steps = heading.steps.filter((step) => (step.backend ?? backend) === backend)
    if (heading.level === 2) {
      current = []
      sections.set(heading.title, current)
    }
    current.push({ ...heading, steps })
  }
  return sections
}
