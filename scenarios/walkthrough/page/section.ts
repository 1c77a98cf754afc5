/**
 * `section(title)`: a scenario file that replays the page's `## title`, heading for heading.
 *
 * Each heading with commands has one scenario of its name. The page is read once for the whole run: an id that one
 * section has shown is the same id in the next. After a failure the rest of the page is not replayed, since each
 * step rests on those before. Then, and after the last section of the run, what the reader has made goes from the
 * hosts: other files come next. With `--keep` it stays, to be looked at.
 */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll } from 'vitest'
import { takingDown } from '../../kit/before-teardown.ts'
import { belongings, clear } from '../../kit/clear.ts'
import type { Host, Typist } from '../../kit/host.ts'
import { type Hosts, labHosts, scenario } from '../../kit/scenario.ts'
import { tell } from '../../record/events.ts'
import { root } from '../../record/folder.ts'
import { openPage } from './reading.ts'
import { type AtHost, PageFailure, type Replayed, replayOf, type Shell } from './replay.ts'
import { you } from './you.ts'

export interface Reader extends Hosts {
  /** At this host's prompt, the page's next command. */
  at(host: { prompt: Typist }): AtHost
  /** At the prompt of the machine that the scenarios run on. */
  you: { prompt: Typist }
  /** The page's commands are those of this backend. */
  backend: string
  /** Shells that stay open, by what the page calls them: from one section to the next. */
  shells: Shells
}

export interface Shells {
  keep(name: string, shell: Shell): void
  /** Throws when none of that name is open. */
  the(name: string): Shell
}

type Replayer = (title: string, body: (reader: Reader) => Promise<void>) => void

const page = openPage()
/** The heading that is being replayed; it stays when it fails. */
let current: string | undefined
/** What this takes down is to be seen in the report's picture, which is taken before it. */
const takesDown = /^(?:exit$|docker (?:rm|network rm|service unpublish) )/
const replay = replayOf(page.reading, tellStep, async (command) => {
  if (takesDown.test(command)) await takingDown()
})
const open = new Map<string, Shell>()
const shells: Shells = {
  keep: (name, shell) => open.set(name, shell),
  the(name) {
    const shell = open.get(name)
    if (shell === undefined)
      throw new Error(`no shell ${name} is open: ${[...open.keys()].join(', ') || 'none is'}`)
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
    found ??= await belongings(await dockerHosts())
  })

  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of fixtures from it
  afterAll(async ({}, { file }) => {
    const isOver = current !== undefined || file.filepath === `${root}${process.env.MULTIHOST_LAST_SECTION}`
    if (isOver && process.env.MULTIHOST_KEEP === undefined) await leaveNothing()
    if (page.reading.update !== undefined) writeFileSync(page.path, page.updated())
    const missing = headings.find((heading) => heading.steps.length > 0 && !replayed.has(heading.title))
    if (missing !== undefined)
      throw new PageFailure(`${page.file}:${missing.line}: no scenario replays "${missing.title}"`)
  })

  return (name, body) => {
    const heading = headings.find((each) => each.title === name)
    if (heading === undefined) throw new PageFailure(`${page.file} has no heading "${name}" under "${title}"`)
    replayed.add(name)
    scenario(name, async ({ consulServer, net1, net2, skip }) => {
      if (current !== undefined) skip(`"${current}" failed before it`)
      current = name
      replay.begin(heading)
      await body({ consulServer, net1, net2, at, you, backend: page.backend, shells })
      replay.finish()
      current = undefined
    })
  }
}

/** What was on the hosts before the page's first command: not the page's to remove. */
let found: string[] | undefined

async function leaveNothing(): Promise<void> {
  if (found === undefined) return
  await replay.leave()
  const hosts = await dockerHosts()
  await clear(hosts, found)
  const link = '/var/run/netns'
  for (const host of hosts)
    await host.succeed`if [ "$(readlink ${link})" = /var/run/docker/netns ]; then rm ${link}; fi`
}

async function dockerHosts(): Promise<Host[]> {
  const { net1, net2 } = await labHosts()
  return [net1, net2]
}

const at: Reader['at'] = ({ prompt }) => replay.at(prompt)

function tellStep({ step, command, output, code, at, ms, tries }: Replayed): void {
  const common = { scenario: current ?? '', host: step.host, command, at, ms }
  tell({ kind: 'command', ...common, code, stdout: output, stderr: '', line: step.line })
  if (tries !== undefined) tell({ kind: 'wait', ...common, tries, held: true })
}
