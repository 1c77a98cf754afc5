/**
 * The text of a container's /etc/hosts: our records in a marked block, all other bytes unchanged.
 *
 * The engine writes its own lines when the container starts and edits them later (libnetwork/etchosts: Add
 * appends; Delete drops lines by address and name, keeps comments and loses blank lines). Programs in the
 * container append lines, too. A block whose marks were damaged is recognised by its pairs of lines: each of
 * our names stands there as NAME and as NAME.NETWORK.
 *
 * A name that another line has is that line's alone, as in Docker, where programs ask DNS for what is not in
 * the file: a name of `--add-host`, and the container's own hostname. Our line of it is a comment then, so
 * that the pair stays recognisable. A hidden record is a comment, too.
 *
 * Docker's DNS compares names without their case. musl compares the file's bytes, so a name with capitals is
 * followed by its lower-case form: on the same line, because glibc returns an address of two lines twice.
 */
import { isIp } from './ip.ts'
import type { NameRecord } from './names.ts'

const begin = '# multihost: begin'
const end = '# multihost: end'
const recordLine = /^#?[0-9a-f.:]{2,45}\t([^\s#]{1,512})(?: ([^\s#]{1,512}))?\n?$/

/**
 * The text with exactly these records in the block; with `keepsOthers`, those stay as well that are in the
 * block already. The same string when it already has them.
 */
export function mergeHostsFile(text: string, records: readonly NameRecord[], keepsOthers = false): string {
  const lines = linesOf(text)
  const ours = findOurs(lines)
  const [before, after] = split(lines, ours)
  const taken = namesIn(before + after)
  const wanted = new Map(
    records.map((it) => [lineOf(it), it.hidden === true || taken.has(it.name.toLowerCase())]),
  )
  for (const line of keepsOthers ? recordsAmong(lines, ours) : []) {
    const record = recordIn(line)
    if (!wanted.has(record)) wanted.set(record, line.startsWith('#') || taken.has(nameIn(record)))
  }
  if (wanted.size === 0) return ours.size === 0 ? text : before + after
  const open = before !== '' && !before.endsWith('\n') ? '\n' : ''
  return `${before}${open}${blockOf(wanted)}${after}`
}

/**
 * A line of exactly this length that has no meaning and is dropped with the next merge: it replaces text that
 * a file is about to lose or to gain. Below four bytes: blank lines.
 */
export function padding(bytes: number): string {
  if (bytes < 4) return '\n'.repeat(bytes)
  return `#${'\t'.repeat(bytes - 2)}\n`
}

/** The block of these lines; those with `true` are comments. */
function blockOf(lines: ReadonlyMap<string, boolean>): string {
  return [begin, ...[...lines].map(([line, isHidden]) => (isHidden ? `#${line}` : line)), end, ''].join('\n')
}

function lineOf({ ip, name }: NameRecord): string {
  const lower = name.toLowerCase()
  return lower === name ? `${ip}\t${name}` : `${ip}\t${name} ${lower}`
}

/** The names that a hosts file's lines have, in lower case (hosts(5)). */
function namesIn(text: string): Set<string> {
  const words = text.split('\n').map((line) => line.replace(/#.*/, '').trim().toLowerCase().split(/\s+/))
  return new Set(words.flatMap(([ip = '', ...names]) => (isIp(ip) ? names : [])))
}

/** Our lines without the marks, each as it is: a comment or not. */
function recordsAmong(lines: readonly string[], ours: ReadonlySet<number>): string[] {
  return [...ours]
    .sort((a, b) => a - b)
    .map((at) => lines[at] ?? '')
    .filter(isRecord)
}

function isRecord(line: string | undefined): line is string {
  const [, name, lower] = recordLine.exec(line ?? '') ?? []
  return name !== undefined && (lower === undefined || lower === name.toLowerCase())
}

/** The line as `lineOf` made it. */
function recordIn(line: string): string {
  return line.replace(/^#/, '').trimEnd()
}

/** In lower case. */
function nameIn(record: string): string {
  return record.replace(/^.*[\t ]/, '').toLowerCase()
}

/** Each line with its line feed; the last one may have none. */
function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? []
}

/** The block stands where our first line is, or at the end. */
function split(lines: readonly string[], ours: ReadonlySet<number>): [before: string, after: string] {
  const at = ours.size === 0 ? lines.length : Math.min(...ours)
  const foreign = (_: string, index: number): boolean => !ours.has(index)
  const before = lines.slice(0, at).join('')
  return [before, lines.filter(foreign).slice(at).join('')]
}

/** Indexes of our lines. */
function findOurs(lines: readonly string[]): Set<number> {
  const ours = new Set<number>()
  const range = (from: number, to: number): void => {
    for (let at = from; at <= to; at++) ours.add(at)
  }
  let opened: number | undefined
  lines.forEach((line, at) => {
    const word = line.trimEnd()
    if (isPadding(line)) ours.add(at)
    else if (word === begin) {
      if (opened !== undefined) range(opened, opened + pairsIn(lines, opened + 1, 1))
      opened = at
    } else if (word === end) {
      if (opened === undefined) range(at - pairsIn(lines, at - 1, -1), at)
      else range(opened, at)
      opened = undefined
    }
  })
  if (opened !== undefined) range(opened, opened + pairsIn(lines, opened + 1, 1))
  return ours
}

function isPadding(line: string): boolean {
  return /^#\t{2,}\n?$/.test(line)
}

/** How many lines, from there in that direction, belong to a pair. */
function pairsIn(lines: readonly string[], from: number, step: 1 | -1): number {
  const run: string[] = []
  for (let at = from, line = lines[at]; isRecord(line); at += step, line = lines[at]) {
    run.push(recordIn(line).replace(/ .*/, ''))
  }
  const all = new Set(run)
  const shortened = new Set(run.flatMap(shorterNames))
  const isHalf = (line: string): boolean =>
    shortened.has(line) || shorterNames(line).some((it) => all.has(it))
  const firstOther = run.findIndex((line) => !isHalf(line))
  return firstOther === -1 ? run.length : firstOther
}

/** `IP<tab>a.b.c` → `IP<tab>a.b`, `IP<tab>a` */
function shorterNames(line: string): string[] {
  const name = line.indexOf('\t')
  return [...line.matchAll(/\./g)]
    .filter(({ index }) => index > name)
    .map(({ index }) => line.slice(0, index))
}
