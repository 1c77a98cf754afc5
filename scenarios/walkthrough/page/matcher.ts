/**
 * How an output on the page is compared with a run's.
 *
 * The page shows one real run. Of what another run has otherwise, the kinds below are told by their form. A value of
 * a *named* kind stands for one value of the run, everywhere on the page, and different ones for different ones: so
 * an id that the page shows on two hosts must be one id in the run too. A value of a *measured* kind may be any of
 * its form. All other text must be equal, blanks aside. `...` is any text within a line, and alone any lines.
 */

/** In the order in which they are tried at one place. */
const kinds: readonly { name: string; form: string; measured?: true }[] = [
  { name: 'time of day', form: '\\d\\d:\\d\\d:\\d\\d\\.\\d+', measured: true },
  { name: 'mac', form: '(?:[0-9a-f]{2}:){5}[0-9a-f]{2}' },
  { name: 'id', form: '\\b[0-9a-f]{64}\\b' },
  { name: 'short id', form: '\\b[0-9a-f]{12}\\b' },
  { name: 'address', form: '\\b\\d{1,3}(?:\\.\\d{1,3}){3}\\b' },
  { name: 'interface', form: '\\bveth[0-9a-f]+\\b' },
  { name: 'version', form: '\\b\\d+\\.\\d+\\.\\d+[\\w.+~-]*' },
  { name: 'duration', form: '\\b\\d+(?:\\.\\d+)?(?: ?ms|s)\\b', measured: true },
  { name: 'figure', form: '\\b\\d+\\.\\d+\\b', measured: true },
  // Only behind an address: a number alone of that size may be an MTU.
  { name: 'port', form: '(?<=\\b(?:\\d{1,3}\\.){4})[3-6]\\d{4}\\b', measured: true },
  { name: 'echo id', form: '(?<=ICMP echo (?:request|reply), id )\\d+' },
  {
    name: 'index',
    form: '(?<=^|@if)\\d+(?=: )|(?<=@if)\\d+|(?<=link-netnsid )\\d+|(?<=\\(id: )\\d+',
    measured: true,
  },
  // The words of Docker, ip and ping that look like one are not.
  {
    name: 'container name',
    form: '\\b(?!(?:docker_gwbridge|icmp_seq|bridge_slave|valid_lft|preferred_lft)\\b)[a-z]+_[a-z]+\\d?\\b',
  },
]
const token = new RegExp(
  [...kinds.map(({ form }) => `(${form})`), '(\\s*\\.\\.\\.\\s*)', '(\\s+)'].join('|'),
  'g',
)

/** What the page's values stand for in this run, both ways, so that it stays one to one. */
export interface Meanings {
  ofPage: ReadonlyMap<string, string>
  ofRun: ReadonlyMap<string, string>
}

/** The same in every run. */
const fixed = ['127.0.0.1', 'ff:ff:ff:ff:ff:ff']

/** Values that stand for themselves, as those that are the same in every run do. */
export const meaningThemselves = (values: readonly string[]): Meanings => {
  const pairs = [...fixed, ...values].map((value) => [value, value] as const)
  return { ofPage: new Map(pairs), ofRun: new Map(pairs) }
}

export const noMeanings = meaningThemselves([])

/** `undefined` when one of the values stands for another already. */
export function withMeaning(meanings: Meanings, page: string, run: string): Meanings | undefined {
  // A long id and its first twelve digits are one id.
  const pairs: [string, string][] =
    page.length === 64
      ? [
          [page, run],
          [page.slice(0, 12), run.slice(0, 12)],
        ]
      : [[page, run]]
  const ofPage = new Map(meanings.ofPage)
  const ofRun = new Map(meanings.ofRun)
  for (const [a, b] of pairs) {
    if ((ofPage.get(a) ?? b) !== b || (ofRun.get(b) ?? a) !== a) return undefined
    ofPage.set(a, b)
    ofRun.set(b, a)
  }
  return { ofPage, ofRun }
}

/** The meanings after this line, or `undefined` when the run's line is not what the page's stands for. */
export function matchLine(page: string, run: string, meanings: Meanings): Meanings | undefined {
  const { pattern, named } = patternOf(page)
  const found = pattern.exec(run.trimEnd())
  if (found === null) return undefined
  let now: Meanings | undefined = meanings
  for (const [index, value] of named) {
    if (now === undefined) return undefined
    now = withMeaning(now, value, found[index] ?? '')
  }
  return now
}

/** A line of the page as a pattern: one group per value; `named` are those that must keep their meaning. */
function patternOf(line: string): { pattern: RegExp; named: [number, string][] } {
  const named: [number, string][] = []
  let source = ''
  let from = 0
  let groups = 0
  const text = line.trimEnd()
  for (const found of text.matchAll(token)) {
    source += escaped(text.slice(from, found.index))
    from = found.index + found[0].length
    const kind = kinds[found.slice(1).findIndex((group) => group !== undefined)]
    if (kind === undefined) source += gapOr(found[0])
    else {
      source += `(${kind.form})`
      groups += 1
      if (!kind.measured) named.push([groups, found[0]])
    }
  }
  return { pattern: new RegExp(`^${source}${escaped(text.slice(from))}$`), named }
}

/** Blanks as blanks; `...` as any text, which may also be missing, but never the rest of a word. */
function gapOr(text: string): string {
  if (!text.includes('...')) return '\\s+'
  return /^\s/.test(text) ? '(?:\\s+\\S.*?)?\\s*' : '.*?'
}

const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')

export interface Mismatch {
  /** Index of the page's line that nothing matched; the page's length when the run printed more. */
  index: number
  /** The run's line there, if it has one. */
  run: string | undefined
}

export interface Match {
  meanings: Meanings
  /** For each line of the page the index of its line in the run; none for `...`. */
  lines: (number | undefined)[]
}

export function compare(
  page: readonly string[],
  run: readonly string[],
  { anyOrder, meanings }: { anyOrder: boolean; meanings: Meanings },
): Match | Mismatch {
  const furthest: Mismatch = { index: -1, run: undefined }
  const search = anyOrder ? matchSet : matchSequence
  const found = search({ page, run, stuck }, meanings, [])
  function stuck(index: number, line: string | undefined) {
    if (index > furthest.index) Object.assign(furthest, { index, run: line })
  }
  return found ?? furthest
}

interface Search {
  page: readonly string[]
  run: readonly string[]
  /** Told where the search could not go on. */
  stuck(index: number, run: string | undefined): void
}

/** `lines` has the lines of the page that are matched already; `from` is the next of the run. */
function matchSequence(
  search: Search,
  meanings: Meanings,
  lines: Match['lines'],
  from = 0,
): Match | undefined {
  const { page, run, stuck } = search
  const [line, printed] = [page[lines.length], run[from]]
  if (line === undefined && printed === undefined) return { meanings, lines }
  if (line === '...') {
    for (let next = from; next <= run.length; next++) {
      const rest = matchSequence(search, meanings, [...lines, undefined], next)
      if (rest !== undefined) return rest
    }
    return undefined
  }
  const now = line === undefined || printed === undefined ? undefined : matchLine(line, printed, meanings)
  if (now !== undefined) return matchSequence(search, now, [...lines, from], from + 1)
  stuck(lines.length, printed)
  return undefined
}

/** Each line of the page stands for one line of the run, whichever; with `...` the run may have more. */
function matchSet(search: Search, meanings: Meanings, lines: Match['lines']): Match | undefined {
  const { page, run, stuck } = search
  const line = page[lines.length]
  if (line === '...') return matchSet(search, meanings, [...lines, undefined])
  if (line === undefined) {
    const surplus = run.find((_, index) => !lines.includes(index))
    if (surplus === undefined || page.includes('...')) return { meanings, lines }
    stuck(page.length, surplus)
    return undefined
  }
  for (const [index, printed] of run.entries()) {
    if (lines.includes(index)) continue
    const now = matchLine(line, printed, meanings)
    const rest = now && matchSet(search, now, [...lines, index])
    if (rest !== undefined) return rest
  }
  stuck(lines.length, undefined)
  return undefined
}

/** The page's line with the run's values: the run's line, or, where the page leaves something out, as much of it. */
export function retaken(page: string, run: string): string {
  if (!page.includes('...')) return run.trimEnd()
  const values = patternOf(page).pattern.exec(run.trimEnd())?.slice(1) ?? []
  return page.replaceAll(token, (found, ...groups) =>
    groups.slice(0, kinds.length).some((group) => group !== undefined) ? (values.shift() ?? found) : found,
  )
}

/** A line that was not replayed, with what its values stand for in the run. */
export function withRunsValues(line: string, { ofPage }: Meanings): string {
  return line.replaceAll(token, (found) => ofPage.get(found) ?? found)
}
