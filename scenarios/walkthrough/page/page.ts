/**
 * The walkthrough as data: headings, and under each the commands that its reader types and what is seen.
 *
 * A fence ```` ```sh HOST ```` holds a terminal of that host (`you`: the reader's own machine). Its lines are
 * `$ command`, or `root@ID:/# command` in a shell that one of them has led to, each followed by its output. A further word on the
 * fence's first line says where it holds (`nspawn`, `vagrant`: only with that backend) or how its output is to be
 * compared (`any-order`). Everything else on the page is prose.
 */
import { LabError } from '../../../provision/process/errors.ts'

export interface Step {
  /** Line of the command in the page, from 1. */
  line: number
  host: string
  /** Name in the prompt of the shell it is typed at, as the page has it: a container's id, or a host. */
  shell?: string
  command: string
  output: string[]
  anyOrder: boolean
  /** Backend that the step is for; all when there is none. */
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

/** `hosts`: the names that a fence may have. Throws for a fence that nobody could replay, naming its line. */
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
  if (fence !== undefined) throw new LabError(`${name}: its last fence is not closed`)
  return headings
}

interface Fence {
  /** Undefined for a fence that is no terminal. */
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
    throw new LabError(`${at}: a fence is of ${allowed.join(', ')}, not of "${host}"`)
  const wrong = rest.find((word) => !words.includes(word))
  if (wrong !== undefined) throw new LabError(`${at}: a fence takes ${words.join(', ')}, not "${wrong}"`)
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
    ...(prompt.shell === undefined ? {} : { shell: prompt.shell }),
    command: prompt.command ?? '',
    output: [],
    anyOrder: fence.words.includes('any-order'),
    ...(backend === undefined ? {} : { backend }),
  })
}
