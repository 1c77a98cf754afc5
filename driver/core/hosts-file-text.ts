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
 * that the pair stays recognisable.
 */
import { isIp } from './ip.ts'
import type { NameRecord } from './names.ts'

const begin = '# multihost: begin'
const end = '# multihost: end'
const recordLine = /^#?[0-9a-f.:]{2,45}\t[^\s#]{1,512}\n?$/

/**
 * The text with exactly these records in the block; with `keepsOthers`, those stay as well that are in the
 * block already. The same string when it already has them.
 */
export function mergeHostsFile(text: string, records: readonly NameRecord[], keepsOthers = false): string {
  const lines = linesOf(text)
  const ours = findOurs(lines)
  const [before, after] = split(lines, ours)
  const wanted = new Set(records.map(({ ip, name }) => `${ip}\t${name}`))
  if (keepsOthers) for (const line of recordsAmong(lines, ours)) wanted.add(line)
  if (wanted.size === 0) return ours.size === 0 ? text : before + after
  const open = before !== '' && !before.endsWith('\n') ? '\n' : ''
  return `${before}${open}${blockOf([...wanted], namesIn(before + after))}${after}`
}

export function hasBlock(text: string): boolean {
  return findOurs(linesOf(text)).size > 0
}

/**
 * A line of exactly this length that has no meaning and is dropped with the next merge: it replaces text that
 * a file is about to lose or to gain. Below four bytes: blank lines.
 */
export function padding(bytes: number): string {
  if (bytes < 4) return '\n'.repeat(bytes)
  return `#${'\t'.repeat(bytes - 2)}\n`
}

function blockOf(records: readonly string[], taken: ReadonlySet<string>): string {
  const isTaken = (record: string): boolean => taken.has(record.slice(record.indexOf('\t') + 1).toLowerCase())
  return [begin, ...records.map((it) => (isTaken(it) ? `#${it}` : it)), end, ''].join('\n')
}

/** The names that a hosts file's lines have, in lower case (hosts(5)). */
function namesIn(text: string): Set<string> {
  const words = text.split('\n').map((line) => line.replace(/#.*/, '').trim().toLowerCase().split(/\s+/))
  return new Set(words.flatMap(([ip = '', ...names]) => (isIp(ip) ? names : [])))
}

/** Our lines without the marks, as `IP<tab>NAME`. */
function recordsAmong(lines: readonly string[], ours: ReadonlySet<number>): string[] {
  return [...ours]
    .sort((a, b) => a - b)
    .flatMap((at) => (recordLine.test(lines[at] ?? '') ? [recordIn(lines[at] ?? '')] : []))
}

function recordIn(line: string): string {
  return line.replace(/^#/, '').trimEnd()
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
  for (let at = from; recordLine.test(lines[at] ?? ''); at += step) {
    run.push(recordIn(lines[at] ?? ''))
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
