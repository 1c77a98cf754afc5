/**
 * Parses Docker's command line as docker does (pflag): options in all spellings, up to the first word that is
 * not an option. Pure. The wrapper has the same rules in shell; tests in test/unit/driver/dialect compare the
 * two.
 */
import type { Flags } from './docker-options.ts'

export interface Option {
  /** Long name, or the letter as it was given. */
  name: string
  /** Absent for an option without a value. */
  value?: string
  /** Index of the option's first word, and the number of its words. */
  at: number
  words: number
}

export interface Parsed {
  options: Option[]
  /** Index of the first word that is not an option or its value. */
  end: number
  /** An option is not in the table, or is `--help`. */
  unknown: boolean
}

/** Options from word `from` on. Stops before the first other word, and behind a `--`. */
export function parseOptions(words: readonly string[], flags: Flags, from = 0): Parsed {
  const options: Option[] = []
  let at = from
  while (at < words.length) {
    const word = words[at] ?? ''
    if (word === '--') return { options, end: at + 1, unknown: false }
    if (!word.startsWith('-') || word === '-') break
    const found = word.startsWith('--') ? long(words, at, flags) : letters(words, at, flags)
    if (found === undefined) return { options, end: at, unknown: true }
    options.push(...found)
    at += found.reduce((most, { words }) => Math.max(most, words), 1)
  }
  return { options, end: at, unknown: false }
}

/** Options and other words in any order, for the commands that allow it. */
export function parseMixed(
  words: readonly string[],
  flags: Flags,
): Parsed & { operands: { word: string; at: number }[] } {
  const operands: { word: string; at: number }[] = []
  const options: Option[] = []
  let at = 0
  while (at < words.length) {
    const part = parseOptions(words, flags, at)
    options.push(...part.options)
    if (part.unknown) return { options, end: part.end, unknown: true, operands }
    const literal = words[part.end - 1] === '--' && part.end > at
    const rest = literal ? words.slice(part.end) : words.slice(part.end, part.end + 1)
    operands.push(...rest.map((word, i) => ({ word, at: part.end + i })))
    at = part.end + Math.max(rest.length, 1)
  }
  return { options, end: at, unknown: false, operands }
}

function long(words: readonly string[], at: number, flags: Flags): Option[] | undefined {
  const [, name = '', value] = /^--([^=]+)(?:=(.*))?$/s.exec(words[at] ?? '') ?? []
  const takes = flags.valued.includes(name)
  if (!takes && !flags.plain.includes(name)) return undefined
  if (value !== undefined) return [{ name, value, at, words: 1 }]
  if (!takes) return [{ name, at, words: 1 }]
  return [{ name, value: words[at + 1] ?? '', at, words: 2 }]
}

/** `-it`, `-eA=b`, `-e A=b`, `-ite A=b`, `-d=false`. */
function letters(words: readonly string[], at: number, flags: Flags): Option[] | undefined {
  const word = words[at] ?? ''
  const options: Option[] = []
  for (let i = 1; i < word.length; i++) {
    const name = word[i] ?? ''
    const rest = word.slice(i + 1)
    if (flags.valuedLetters.includes(name)) {
      const value = rest === '' ? (words[at + 1] ?? '') : rest.replace(/^=/, '')
      return [...options, { name, value, at, words: rest === '' ? 2 : 1 }]
    }
    if (!flags.plainLetters.includes(name)) return undefined
    if (rest.startsWith('=')) return [...options, { name, value: rest.slice(1), at, words: 1 }]
    options.push({ name, at, words: 1 })
  }
  return options
}

export interface Command {
  /** Words before the command. */
  globals: string[]
  options: Option[]
  /** `run`, `container run`, `network ls`, …; empty without a command. */
  name: string
  /** The words behind the command. */
  rest: string[]
}

const groups = ['container', 'network', 'service']

/** Undefined when an option is not in the table. */
export function parseCommand(words: readonly string[], flags: Flags): Command | undefined {
  const { options, end, unknown } = parseOptions(words, flags)
  if (unknown) return undefined
  const first = words[end] ?? ''
  const length = groups.includes(first) ? 2 : 1
  const name = words.slice(end, end + length).join(' ')
  return { globals: words.slice(0, end), options, name, rest: words.slice(end + length) }
}

/** By their long names or their letters. */
export function optionsNamed(options: readonly Option[], ...names: string[]): Option[] {
  return options.filter(({ name }) => names.includes(name))
}

/** The words without those of `option`. The whole first word goes: a letter must be the only one in its word. */
export function without(words: readonly string[], option: Option): string[] {
  return words.filter((_, i) => i < option.at || i >= option.at + option.words)
}

/** Quotes words for a POSIX shell's `eval`. */
export function shellWords(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
}
