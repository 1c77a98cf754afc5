/**
 * CHANGELOG.md in Debian's form: an entry for each version, newest first. The version that is packaged has
 * the text of its heading, or that of `Unreleased` before its release. Pure. Source: deb-changelog(5).
 */
import type { Release } from './release.ts'

interface Section {
  version: string
  /** `2026-11-28`. */
  date?: string | undefined
  items: string[]
}

export function debianChangelog(markdown: string, { version, maintainer, epochS }: Release): string {
  const sections = sectionsOf(markdown)
  const isReleased = sections.some((it) => it.version === version)
  return sections
    .map((it) => (it.version === 'Unreleased' && !isReleased ? { ...it, version } : it))
    .filter((it) => it.version !== 'Unreleased')
    .map(({ version: each, date, items }) => {
      const time = each === version || date === undefined ? epochS * 1000 : Date.parse(date)
      const lines = items.map((item) => wrapped(`  * ${item}`, '    ')).join('\n')
      const head = `multihost (${each}) unstable; urgency=medium`
      return `${head}\n\n${lines}\n\n -- ${maintainer}  ${rfc2822(time)}\n`
    })
    .join('\n')
}

function sectionsOf(markdown: string): Section[] {
  const [, ...parts] = markdown.split(/^## /m)
  return parts.map((part) => {
    const [heading = '', ...lines] = part.split('\n')
    const [version = '', date] = heading.trim().split(' - ')
    return { version, date, items: itemsOf(lines) }
  })
}

/** `- ` begins an item, and an indented line continues it. */
function itemsOf(lines: readonly string[]): string[] {
  const items: string[] = []
  for (const line of lines) {
    if (line.startsWith('- ')) items.push(line.slice(2))
    else if (line.startsWith('  ') && items.length > 0) items.push(`${items.pop()} ${line.trim()}`)
  }
  return items
}

const width = 78

function wrapped(text: string, indent: string): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/(?<=\S) /)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = `${indent}${word}`
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].join('\n')
}

function rfc2822(ms: number): string {
  return new Date(ms).toUTCString().replace('GMT', '+0000')
}
