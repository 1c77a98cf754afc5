import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { help } from '../../../../driver/cli/cli.ts'
import { bashCompletion, zshCompletion } from '../../../../provision/package/completion.ts'
import { completionsOf, entriesOf, helpEntries } from '../../../../provision/package/help.ts'
import { manualPage } from '../../../../provision/package/manual.ts'

const completions = completionsOf(helpEntries())
const bash = bashCompletion(completions)

/** What bash offers when TAB is pressed behind the words. */
function offered(...words: string[]): string[] {
  // compopt works inside of a completion alone.
  const script = `${bash}
compopt() { :; }
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_multihost
printf '%s\\n' "\${COMPREPLY[@]}"`
  const output = execFileSync('bash', ['-c', script, 'bash', 'multihost', ...words], { encoding: 'utf8' })
  return output.trim().split('\n')
}

test('a description begins behind two blanks, or on a line that is indented deeper', () => {
  expect(
    entriesOf('title\n\n  a [-b]   first\n         second\n  --long=VALUE\n         third\n\nend'),
  ).toEqual([
    { term: 'a [-b]', description: 'first second' },
    { term: '--long=VALUE', description: 'third' },
  ])
})

test('completion offers exactly the commands of the help', () => {
  const commands = [...help.matchAll(/^ {2}multihost (\S+)/gm)].map(([, word = '']) => word)
  expect(offered('').sort()).toEqual([...new Set([...commands, '--help'])].sort())
})

test.each([
  [
    ['host', ''],
    ['ls', 'rm'],
  ],
  [['host', 'ls', '--j'], ['--json']],
  [['check', '--json', '--w'], ['--within=']],
  [['network', ''], ['rm']],
  [['join', 'consul://a', '--bind'], ['--bind-interface=']],
  [['init', '--kv'], ['']],
  [['doctor', '--kv-s'], ['--kv-store=']],
  [['leave', '--h'], ['--help']],
  [['service', 'at'], ['attach']],
  [['daemon', '--kv-s'], ['--kv-store=']],
  [['host', 'rm', 'net-1', ''], ['']],
])('completion of %o is %o', (words, expected) => {
  expect(offered(...words)).toEqual(expected)
})

test('zsh has the same table', () => {
  const table = (text: string) =>
    text.match(/^ {4}'.*(?=;;)/gm)?.map((line) => line.replace(/[()]|\bwords=|offered=|'/g, ''))
  expect(table(zshCompletion(completions))).toEqual(table(bash))
})

test('the manual page has every command and every option, with dashes that can be typed', () => {
  const page = manualPage(helpEntries(), { version: '1.2.3', epochS: 0 })
  const { commands, options, services, daemon } = helpEntries()
  const terms = [...commands, ...options, ...services, ...daemon].map(({ term }) =>
    term.replaceAll('…', '...'),
  )
  const shown = page.replaceAll('\\-', '-')
  expect(terms.filter((term) => !shown.includes(`.TP\n.B ${term}\n`))).toEqual([])
  expect(page).toContain('.TH MULTIHOST 8 "1970-01-01" "multihost 1.2.3"')
  expect(page).toContain('.B \\-\\-kv\\-store=consul')
})
