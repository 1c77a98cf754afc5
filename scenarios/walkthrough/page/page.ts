/**
 * The walkthrough as data: headings, and under each heading the commands that its reader types, with their
 * outputs.
 *
 * A fence ```` ```sh HOST ```` is a terminal of that host (`you`: the reader's own machine). Its lines are
 * `$ command`, or `root@ID:/# command` in a shell that an earlier command has led to, each followed by its
 * output. A further word on the fence's first line limits the fence to a backend (`nspawn`, `vagrant`) or has
 * its output compared in any order (`any-order`). Everything else on the page is prose.
 */
import { LabError } from '../../../provision/process/errors.ts'

export interface Step {
  /** Line of the command on the page, from 1. */
  line: number
  host: string
  /** Name in the shell's prompt on the page: a container's id, or a host. Absent at a host's own prompt. */
  shell?: string
  command: string
  output: string[]
  anyOrder: boolean
  /** The backend that the step is for; absent: all. */
  backend?: string
}

export interface Heading {
  title: string
  /** 2 for `##`, 3 for `###`. */
  level: number
  line: number
  steps: Step[]
}

const prompts = /^(?:\$|root@(?<shell>[\w-]+):\S*#) (?<command>.+)$/
const backends = ['nspawn', 'vagrant']
const words = [...backends, 'any-order']

/** `hosts`: the names that a fence may have. Throws a LabError with the line of a wrong fence. */
export function parsePage(text: string, name: string, hosts: readonly string[]): Heading[] {
  const headings: Heading[] = []
  let fence: Fence | undefined
  for (const [index, content] of text.split('\n').entries()) {
    const at = `${name}:${index + 1}`
    if (fence !== undefined && /^```\s*$/.test(content)) fence = undefined
    else if (fence !== undefined) readLine(fence, content, index + 1, at)
    else if (content.startsWith('```')) fence = openFence(content, at, hosts, headings.at(-1))
    else if (/^##+ /.test(content)) headings.push(readHeading(content, index + 1))
  }
  if (fence !== undefined) throw new LabError(`${name}: the last fence is not closed`)
  return headings
}

interface Fence {
  /** `undefined` for a fence that is no terminal. */
  host: string | undefined
  words: string[]
  steps: Step[]
}

function readHeading(content: string, line: number): Heading {
  const title = content.replace(/^#+ /, '').trim()
  return { title, level: content.indexOf(' '), line, steps: [] }
}

function openFence(
  content: string,
  at: string,
  hosts: readonly string[],
  heading: Heading | undefined,
): Fence {
  const [language, host, ...rest] = content.replace(/^`+/, '').trim().split(/\s+/)
  if (language !== 'sh' || host === undefined) return { host: undefined, words: [], steps: [] }
  const allowed = ['you', ...hosts]
  if (!allowed.includes(host))
    throw new LabError(`${at}: unknown host "${host}" of a fence: allowed are ${allowed.join(', ')}`)
  const wrong = rest.find((word) => !words.includes(word))
  if (wrong !== undefined)
    throw new LabError(`${at}: unknown word "${wrong}" of a fence: allowed are ${words.join(', ')}`)
  if (heading === undefined) throw new LabError(`${at}: a terminal needs a heading above it`)
  return { host, words: rest, steps: heading.steps }
}

function readLine(fence: Fence, content: string, line: number, at: string): void {
  if (fence.host === undefined) return
  const prompt = prompts.exec(content)?.groups
  if (prompt === undefined) {
    const last = fence.steps.at(-1)
    if (last === undefined) throw new LabError(`${at}: output without a command above it: ${content}`)
    last.output.push(content)
    return
  }
  const backend = fence.words.find((word) => backends.includes(word))
  fence.steps.push({
    line,
    host: fence.host,
    ...(prompt.shell !== undefined && { shell: prompt.shell }),
    command: prompt.command ?? '',
    output: [],
    anyOrder: fence.words.includes('any-order'),
    ...(backend !== undefined && { backend }),
  })
}
