/**
 * The help texts of `multihost` as data: the manual page and the completions are made from them, so that they
 * name the same commands and options. Pure.
 *
 * An entry begins with two blanks. Two blanks or more, or a line that is indented deeper, begin its
 * description.
 */
import { help } from '../../driver/cli/cli.ts'
import { daemonHelp } from '../../driver/daemon/options.ts'
import { serviceHelp } from '../../driver/dialect/service-commands.ts'

export interface Entry {
  /** `multihost host rm NAME`, `--log-level=LEVEL`. */
  term: string
  description: string
}

export function entriesOf(text: string): Entry[] {
  const entries: Entry[] = []
  for (const line of text.split('\n')) {
    const [, term, description = ''] = /^ {2}(\S.*?)(?: {2,}(.*))?$/.exec(line) ?? []
    const last = entries.at(-1)
    if (term !== undefined) entries.push({ term, description })
    else if (/^ {3,}\S/.test(line) && last) last.description = `${last.description} ${line.trim()}`.trim()
  }
  return entries
}

export interface Help {
  commands: Entry[]
  /** Of every command that asks the driver. */
  options: Entry[]
  services: Entry[]
  daemon: Entry[]
}

export function helpEntries(): Help {
  const [commands, options] = split(entriesOf(help))
  return {
    commands,
    options,
    services: entriesOf(serviceHelp).map((entry) => ({ ...entry, term: `multihost ${entry.term}` })),
    daemon: entriesOf(daemonHelp),
  }
}

function split(entries: Entry[]): [commands: Entry[], options: Entry[]] {
  const isCommand = ({ term }: Entry) => term.startsWith('multihost ')
  return [entries.filter(isCommand), entries.filter((entry) => !isCommand(entry))]
}

/**
 * What can follow which words: `''` → the commands, `host` → `ls` and `rm`, `host ls` → `--json`. An option
 * that takes a value with `=` ends with it.
 */
export type Completions = Map<string, string[]>

export function completionsOf({ commands, options, services, daemon }: Help): Completions {
  const following: Completions = new Map()
  const add = (path: string, word: string): void => {
    const words = following.get(path) ?? []
    if (!words.includes(word)) following.set(path, [...words, word])
  }
  for (const { term } of [...commands, ...services]) {
    const words = term.split(' ').slice(1)
    const path = words.filter((word) => /^[a-z]+$/.test(word))
    for (const [at, word] of path.entries()) add(path.slice(0, at).join(' '), word)
    for (const option of optionsIn(term)) add(path.join(' '), option)
    if (/^(status|check|host)\b/.test(path.join(' '))) {
      for (const option of options.flatMap((it) => optionsIn(it.term))) add(path.join(' '), option)
    }
  }
  for (const option of daemon.flatMap(({ term }) => optionsIn(term))) {
    for (const path of ['daemon', 'doctor', 'join']) add(path, option)
    // It makes the store.
    if (!option.startsWith('--kv-')) add('init', option)
  }
  for (const path of ['', 'service', 'daemon', 'doctor', 'init', 'join', 'leave', 'status', 'check'])
    add(path, '--help')
  return following
}

/** `[--within=SECONDS]` is `--within=`. */
function optionsIn(term: string): string[] {
  return [...term.matchAll(/(?<![\w-])(--?[a-z][a-z-]*=?)/g)].map(([, option = '']) => option)
}
