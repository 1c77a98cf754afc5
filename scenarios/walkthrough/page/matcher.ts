/**
 * Compares an output on the page with a run's.
 *
 * The page shows one real run. Values that vary between runs are matched by type: ids, addresses, times. A
 * value of a *named* type is bound to one value of the run, everywhere on the page, and no two values are
 * bound to the same one: an id that the page shows on two hosts must be one id in the run too. A value of a
 * *measured* type matches any value of that type. All other text must be equal, except for the number of
 * blanks. `...` matches any text within a line; a line of `...` alone matches any lines.
 */

/** In the order in which they are tried at one position. */
const types: readonly { name: string; form: string; measured?: true }[] = [
  { name: 'time of day', form: '\\d\\d:\\d\\d:\\d\\d\\.\\d+', measured: true },
  { name: 'mac', form: '(?:[0-9a-f]{2}:){5}[0-9a-f]{2}' },
  { name: 'id', form: '\\b[0-9a-f]{64}\\b' },
  { name: 'short id', form: '\\b[0-9a-f]{12}\\b' },
  { name: 'address', form: '\\b\\d{1,3}(?:\\.\\d{1,3}){3}\\b' },
  { name: 'interface', form: '\\bveth[0-9a-f]+\\b' },
  { name: 'version', form: '\\b\\d+\\.\\d+\\.\\d+[\\w.+~-]*' },
  { name: 'duration', form: '\\b\\d+(?:\\.\\d+)?(?: ?ms|s)\\b', measured: true },
  { name: 'figure', form: '\\b\\d+\\.\\d+\\b', measured: true },
  // Only after an address: another number of that size may be an MTU.
  { name: 'port', form: '(?<=\\b(?:\\d{1,3}\\.){4})[3-6]\\d{4}\\b', measured: true },
  { name: 'echo id', form: '(?<=ICMP echo (?:request|reply), id )\\d+' },
  {
    name: 'index',
    form: '(?<=^|@if)\\d+(?=: )|(?<=@if)\\d+|(?<=link-netnsid )\\d+|(?<=\\(id: )\\d+',
    measured: true,
  },
  // Without the words of Docker, ip and ping that have the same form.
  {
    name: 'container name',
    form: '\\b(?!(?:docker_gwbridge|icmp_seq|bridge_slave|valid_lft|preferred_lft)\\b)[a-z]+_[a-z]+\\d?\\b',
  },
]
const token = new RegExp(
  [...types.map(({ form }) => `(${form})`), '(\\s*\\.\\.\\.\\s*)', '(\\s+)'].join('|'),
  'g',
)

/** The page's values and the values of this run that they are bound to, one to one. */
export interface Bindings {
  toRun: ReadonlyMap<string, string>
  toPage: ReadonlyMap<string, string>
}

/** Values that are the same in every run. */
const fixed = ['127.0.0.1', 'ff:ff:ff:ff:ff:ff']

/** Binds each value to itself, and with them the values that are the same in every run. */
export const boundToThemselves = (values: readonly string[]): Bindings => {
  const pairs = [...fixed, ...values].map((value) => [value, value] as const)
  return { toRun: new Map(pairs), toPage: new Map(pairs) }
}

/** Adds a pair of values. `undefined` when one of the two is already bound to another value. */
export function bind(bindings: Bindings, page: string, run: string): Bindings | undefined {
  // An id and its first twelve digits are the same id.
  const pairs: [string, string][] =
    page.length === 64
      ? [
          [page, run],
          [page.slice(0, 12), run.slice(0, 12)],
        ]
      : [[page, run]]
  const toRun = new Map(bindings.toRun)
  const toPage = new Map(bindings.toPage)
  for (const [a, b] of pairs) {
    if ((toRun.get(a) ?? b) !== b || (toPage.get(b) ?? a) !== a) return undefined
    toRun.set(a, b)
    toPage.set(b, a)
  }
  return { toRun, toPage }
}

/**
 * A line of a hosts file as most engines write it. Some releases of 28 write `fe00::` for `fe00::0`, and the
 * IPv4 address of a remote driver's endpoint as an IPv4-mapped one (moby, libnetwork/endpoint.go,
 * getEtcHostsAddrs; later releases unmap it).
 */
export function asMostEnginesWrite(line: string): string {
  return line.replace(/^(fe00|ff00)::(?=\s)/, '$1::0').replace(/^::ffff:(?=\d+\.)/, '')
}

/** The bindings with those of this line; `undefined` when the lines do not match. */
export function matchLine(page: string, run: string, bindings: Bindings): Bindings | undefined {
  const { pattern, named } = patternOf(page)
  const found = pattern.exec(asMostEnginesWrite(run.trimEnd()))
  if (found === null) return undefined
  let now: Bindings | undefined = bindings
  for (const [index, value] of named) {
    if (now === undefined) return undefined
    now = bind(now, value, found[index] ?? '')
  }
  return now
}

/** A line of the page as a pattern with one group per value. `named`: group number and text of each value to bind. */
function patternOf(line: string): { pattern: RegExp; named: [number, string][] } {
  const named: [number, string][] = []
  let source = ''
  let from = 0
  let groups = 0
  const text = line.trimEnd()
  for (const found of text.matchAll(token)) {
    source += escaped(text.slice(from, found.index))
    from = found.index + found[0].length
    const type = types[found.slice(1).findIndex((group) => group !== undefined)]
    if (type === undefined) source += gapOr(found[0])
    else {
      source += `(${type.form})`
      groups += 1
      if (!type.measured) named.push([groups, found[0]])
    }
  }
  return { pattern: new RegExp(`^${source}${escaped(text.slice(from))}$`), named }
}

/** Blanks match blanks; `...` matches any text or none, but never the rest of a word. */
function gapOr(text: string): string {
  if (!text.includes('...')) return '\\s+'
  return /^\s/.test(text) ? '(?:\\s+\\S.*?)?\\s*' : '.*?'
}

const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')

export interface Mismatch {
  /** Index of the page's line without a match; the page's length when the run printed more lines. */
  index: number
  /** The run's line at that place, if there is one. */
  run: string | undefined
}

export interface Match {
  bindings: Bindings
  /** For each line of the page the index of its line in the run; `undefined` for `...`. */
  lines: (number | undefined)[]
}

export function compare(
  page: readonly string[],
  run: readonly string[],
  { anyOrder, bindings }: { anyOrder: boolean; bindings: Bindings },
): Match | Mismatch {
  const furthest: Mismatch = { index: -1, run: undefined }
  const search = anyOrder ? matchSet : matchSequence
  const found = search({ page, run, stuck }, bindings, [])
  function stuck(index: number, line: string | undefined) {
    if (index > furthest.index) Object.assign(furthest, { index, run: line })
  }
  return found ?? furthest
}

interface Search {
  page: readonly string[]
  run: readonly string[]
  /** Called where the search could not go on. */
  stuck(index: number, run: string | undefined): void
}

/** `lines`: the page's lines that are matched so far. `from`: index of the run's next line. */
function matchSequence(
  search: Search,
  bindings: Bindings,
  lines: Match['lines'],
  from = 0,
): Match | undefined {
  const { page, run, stuck } = search
  const line = page[lines.length]
  const printed = run[from]
  if (line === undefined && printed === undefined) return { bindings, lines }
  if (line === '...') {
    for (let next = from; next <= run.length; next++) {
      const rest = matchSequence(search, bindings, [...lines, undefined], next)
      if (rest !== undefined) return rest
    }
    return undefined
  }
  const now = line === undefined || printed === undefined ? undefined : matchLine(line, printed, bindings)
  if (now !== undefined) return matchSequence(search, now, [...lines, from], from + 1)
  stuck(lines.length, printed)
  return undefined
}

/** Each line of the page matches one line of the run, in any order; with `...` the run may have more lines. */
function matchSet(search: Search, bindings: Bindings, lines: Match['lines']): Match | undefined {
  const { page, run, stuck } = search
  const line = page[lines.length]
  if (line === '...') return matchSet(search, bindings, [...lines, undefined])
  if (line === undefined) {
    const surplus = run.find((_, index) => !lines.includes(index))
    if (surplus === undefined || page.includes('...')) return { bindings, lines }
    stuck(page.length, surplus)
    return undefined
  }
  for (const [index, printed] of run.entries()) {
    if (lines.includes(index)) continue
    const now = matchLine(line, printed, bindings)
    const rest = now && matchSet(search, now, [...lines, index])
    if (rest !== undefined) return rest
  }
  stuck(lines.length, undefined)
  return undefined
}

/** The run's line; where the page has `...`, the page's line with the run's values. */
export function updatedLine(page: string, run: string): string {
  if (!page.includes('...')) return run.trimEnd()
  const values = patternOf(page).pattern.exec(run.trimEnd())?.slice(1) ?? []
  return page.replaceAll(token, (found, ...groups) =>
    groups.slice(0, types.length).some((group) => group !== undefined) ? (values.shift() ?? found) : found,
  )
}

/** A line that was not replayed, with the run's values in place of the page's. */
export function withValuesOfRun(line: string, { toRun }: Bindings): string {
  return line.replaceAll(token, (found) => toRun.get(found) ?? found)
}
