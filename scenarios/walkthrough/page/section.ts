/**
 * `section(title)`: a scenario file that replays the page's `## title`, heading for heading.
 *
 * Each heading with commands has one scenario of the same name. All sections of a run share one reading of
 * the page: an id that one section has shown is the same id in the next. After a failure the rest of the page
 * is skipped, because each step needs those before it. After a failure, and after the last section of the
 * run, everything that the page has created is removed from the hosts, because other files follow. With
 * `--keep` it stays.
 */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll } from 'vitest'
import { teardownBegins } from '../../kit/before-teardown.ts'
import { belongings, clear } from '../../kit/clear.ts'
import type { Host, Typist } from '../../kit/host.ts'
import { continued, labHosts } from '../../kit/scenario.ts'
import { recordEvent } from '../../record/events.ts'
import { root } from '../../record/folder.ts'
import { openPage } from './reading.ts'
import { type AtHost, PageFailure, type Replayed, replayOf, type Shell } from './replay.ts'
import { you } from './you.ts'

export interface Reader {
  consulServer: Host
  net1: Host
  net2: Host
  /** At this host's prompt, the page's next command. */
  at(host: { prompt: Typist }): AtHost
  /** At the prompt of the machine that the scenarios run on. */
  you: { prompt: Typist }
  /** The backend whose commands are replayed. */
  backend: string
  /** Shells that stay open from one section to the next, by name. */
  shells: Shells
}

export interface Shells {
  keep(name: string, shell: Shell): void
  /** Throws when no shell of that name is open. */
  the(name: string): Shell
}

type Replayer = (title: string, body: (reader: Reader) => Promise<void>) => void

const page = openPage()
/** The running heading; after a failure, the heading that failed. */
let current: string | undefined
/** Commands that take something down: the snapshot for the report is taken before them. */
const takesDown = /^(?:exit$|docker (?:rm|network rm|service unpublish) )/
const replay = replayOf(page.reading, recordStep, async (command) => {
  if (takesDown.test(command)) await teardownBegins()
})
const open = new Map<string, Shell>()
const shells: Shells = {
  keep: (name, shell) => open.set(name, shell),
  the(name) {
    const shell = open.get(name)
    if (shell === undefined)
      throw new Error(`no shell ${name} is open: ${[...open.keys()].join(', ') || 'none is open'}`)
    return shell
  },
}

export function section(title: string): Replayer {
  const headings = page.sections.get(title)
  if (headings === undefined)
    throw new PageFailure(
      `${page.file} has no section "${title}": it has ${[...page.sections.keys()].join(', ')}`,
    )
  const replayed = new Set<string>()

  beforeAll(async () => {
    foundBefore ??= await belongings(await dockerHosts())
  })

  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of fixtures from it
  afterAll(async ({}, { file }) => {
    const isOver = current !== undefined || file.filepath === `${root}${process.env.MULTIHOST_LAST_SECTION}`
    if (isOver && process.env.MULTIHOST_KEEP === undefined) await removeEverything()
    if (page.reading.update !== undefined) writeFileSync(page.path, page.updated())
    const missing = headings.find((heading) => heading.steps.length > 0 && !replayed.has(heading.title))
    if (missing !== undefined)
      throw new PageFailure(`${page.file}:${missing.line}: no scenario replays "${missing.title}"`)
  })

  return (name, body) => {
    const heading = headings.find((each) => each.title === name)
    if (heading === undefined) throw new PageFailure(`${page.file} has no heading "${name}" under "${title}"`)
    replayed.add(name)
    continued(name, async ({ consulServer, hosts, skip }) => {
      if (current !== undefined) skip(`"${current}" failed before it`)
      current = name
      replay.begin(heading)
      const net1 = hostNamed(hosts, 'net-1')
      const net2 = hostNamed(hosts, 'net-2')
      await body({ consulServer, net1, net2, at, you, backend: page.backend, shells })
      replay.finish()
      current = undefined
    })
  }
}

/** What was on the hosts before the page's first command; it is not removed. */
let foundBefore: string[] | undefined

async function removeEverything(): Promise<void> {
  if (foundBefore === undefined) return
  await replay.leave()
  const hosts = await dockerHosts()
  await clear(hosts, foundBefore)
  const link = '/var/run/netns'
  for (const host of hosts)
    await host.succeed`if [ "$(readlink ${link})" = /var/run/docker/netns ]; then rm ${link}; fi`
}

async function dockerHosts(): Promise<readonly Host[]> {
  return (await labHosts()).hosts
}

function hostNamed(hosts: readonly Host[], name: string): Host {
  const host = hosts.find((each) => each.name === name)
  if (host === undefined)
    throw new Error(`the page needs host ${name}: the lab has ${hosts.map((each) => each.name).join(', ')}`)
  return host
}

const at: Reader['at'] = ({ prompt }) => replay.at(prompt)

function recordStep({ step, command, output, code, at, ms, tries }: Replayed): void {
  const common = { scenario: current ?? '', host: step.host, command, at, ms }
  recordEvent({ kind: 'command', ...common, code, stdout: output, stderr: '', line: step.line })
  if (tries !== undefined) recordEvent({ kind: 'wait', ...common, tries, held: true })
}
