import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import type { Typist } from '../../../../../scenarios/kit/host.ts'
import { localSession } from '../../../../../scenarios/kit/terminal.ts'
import { boundToThemselves } from '../../../../../scenarios/walkthrough/page/matcher.ts'
import { parsePage } from '../../../../../scenarios/walkthrough/page/page.ts'
import {
  type Reading,
  type Replay,
  type Replayed,
  replayOf,
} from '../../../../../scenarios/walkthrough/page/replay.ts'
import { updatedPage } from '../../../../../scenarios/walkthrough/page/update.ts'

/** This machine's shell in the place of a host. */
const here = (name: string): Typist => ({
  name,
  async type(line) {
    const { all, exitCode } = await execa(line, { shell: true, all: true, reject: false })
    return { output: all, code: exitCode ?? 255 }
  },
  open: async (line) =>
    localSession(line, { cwd: fileURLToPath(new URL('.', import.meta.url)), env: process.env }),
})
const net1 = here('net-1')
const net2 = here('net-2')

const page = `# A page

## First

### Words

\`\`\`sh net-1
$ echo 1234567890ab
aaaaaaaaaaaa
$ echo done
done
\`\`\`

Prose about \`aaaaaaaaaaaa\`.

\`\`\`sh net-2
$ echo 1234567890ab again
aaaaaaaaaaaa again
\`\`\`
`

async function steps({ at }: Replay): Promise<void> {
  await at(net1).types`echo 1234567890ab`
  await at(net1).types`echo done`
  await at(net2).types`echo 1234567890ab again`
}

/** The page's commands print what they name: a copy of the page shows other ids, of the same form. */
const right = page.replaceAll('echo 1234567890ab', 'echo aaaaaaaaaaaa')

async function replayed(
  text: string,
  body = steps,
  { update = false, before }: { update?: boolean; before?: (command: string) => Promise<void> } = {},
) {
  const results: Replayed[] = []
  const reading: Reading = {
    file: 'page.md',
    bindings: boundToThemselves([]),
    update: update ? [] : undefined,
  }
  const [, heading] = parsePage(text, 'page.md', ['net-1', 'net-2'])
  const replay = replayOf(reading, (each) => results.push(each), before)
  replay.begin(heading ?? { title: '', level: 2, line: 0, steps: [] })
  await body(replay)
  replay.finish()
  return { results, reading }
}

test('a page whose commands are all run and print what it shows is replayed, step by step', async () => {
  const { results } = await replayed(right)
  expect(results.map(({ step, command, output }) => [step.line, step.host, command, output])).toEqual([
    [8, 'net-1', 'echo 1234567890ab', '1234567890ab'],
    [10, 'net-1', 'echo done', 'done'],
    [17, 'net-2', 'echo 1234567890ab again', '1234567890ab again'],
  ])
})

test('`before` is called with a command before it is typed', async () => {
  const order: string[] = []
  const typist: Typist = {
    ...net1,
    type(line) {
      order.push(`typed ${line}`)
      return net1.type(line)
    },
  }
  const before = async (command: string) => void order.push(`before ${command}`)
  await replayed(
    '## A\n### B\n```sh net-1\n$ echo hello\nhello\n```\n',
    async ({ at }) => void (await at(typist).types`echo hello`),
    { before },
  )
  expect(order).toEqual(['before echo hello', 'typed echo hello'])
})

test.each([
  [
    'a command that no scenario runs',
    right.replace('$ echo done', '$ echo more\nmore\n$ echo done'),
    'page.md:10: no scenario runs `echo more` on net-1',
  ],
  [
    'a last command that no scenario runs',
    right.replace('again\n```', 'again\n$ echo more\n```'),
    'page.md:19: no scenario runs `echo more` on net-2',
  ],
  [
    'no command where the scenario types one',
    right.replace('$ echo done\ndone\n', ''),
    '`echo done` on net-1 is not on the page: the next command is at page.md:15, `echo aaaaaaaaaaaa again` on net-2',
  ],
  [
    'fewer commands than the scenario types',
    right.replace(/```sh net-2[\s\S]*/, ''),
    '`echo 1234567890ab again` on net-2 is not on the page: "Words" (page.md:5) has no further command',
  ],
  [
    'another output',
    right.replace('\ndone\n', '\nready\n'),
    'page.md:11: the output on net-1 `echo done` differs from the page\n  page: ready\n  run:  done',
  ],
  [
    'more output',
    right.replace('\ndone\n', '\ndone\nand done\n'),
    'page.md:12: the output on net-1 `echo done` differs from the page',
  ],
  [
    'less output',
    right.replace('\ndone\n', '\n'),
    'page.md:11: the output on net-1 `echo done` differs from the page',
  ],
  [
    'another id for the same',
    right.replace('aaaaaaaaaaaa again\n```', 'bbbbbbbbbbbb again\n```'),
    'page.md:18: the output on net-2 `echo 1234567890ab again` differs from the page',
  ],
  [
    'another host',
    right.replace('sh net-2', 'sh net-1'),
    '`echo 1234567890ab again` on net-2 is not on the page',
  ],
])('a page that has %s fails, with its line', async (_, broken, message) => {
  expect(broken).not.toBe(right)
  await expect(replayed(broken)).rejects.toThrow(message)
})

test('a command that fails is reported with its exit code and output', async () => {
  const failing = '## A\n### B\n```sh net-1\n$ echo no; exit 3\nno\n```\n'
  await expect(
    replayed(failing, async ({ at }) => void (await at(net1).types`echo no; exit 3`)),
  ).rejects.toThrow('page.md:4: on net-1 `echo no; exit 3` failed with exit code 3:\nno')
})

test('a shell’s commands stand at its prompt, under its name in this run', async () => {
  const shell = "PS1='root@aaaaaaaaaaaa:/# ' bash --norc --noprofile"
  const text = `## A\n### B\n\`\`\`sh net-1\n$ ${shell}\nroot@aaaaaaaaaaaa:/# echo hello\nhello\nroot@aaaaaaaaaaaa:/# exit\nexit\n\`\`\`\n`
  const body = async ({ at }: Replay) => {
    const inside = await at(net1).enters`PS1='root@0123456789ab:/# ' bash --norc --noprofile`
    expect(inside.name).toBe('0123456789ab')
    expect(await inside.types`echo hello`).toBe('hello\n')
    await inside.types`exit`
  }
  await replayed(text, body)
  await expect(replayed(text.replace('hello\nhello', 'hello\nbye'), body)).rejects.toThrow('page.md:6')
})

test('a shell that a failure has left open is ended, with what runs in it', async () => {
  const shell = "PS1='root@aaaaaaaaaaaa:/# ' bash --norc --noprofile"
  const text = `## A\n### B\n\`\`\`sh net-1\n$ ${shell}\nroot@aaaaaaaaaaaa:/# echo $$\n...\n\`\`\`\n`
  let pid = 0
  await replayed(text, async ({ at, leave }) => {
    const inside = await at(net1).enters`PS1='root@0123456789ab:/# ' bash --norc --noprofile`
    pid = Number(await inside.types`echo $$`)
    expect(existsSync(`/proc/${pid}`)).toBe(true)
    await leave()
  })
  expect(existsSync(`/proc/${pid}`)).toBe(false)
})

test('an update takes commands and outputs from the run, and their values everywhere else', async () => {
  const { reading } = await replayed(right.replace('\ndone\n', '\nold\n'), steps, { update: true })
  expect(updatedPage(right.replace('\ndone\n', '\nold\n'), reading.update ?? [], reading.bindings)).toBe(
    right.replaceAll('aaaaaaaaaaaa', '1234567890ab'),
  )
})

test.each([
  [
    'an unknown host',
    '## A\n```sh net-9\n$ true\n```\n',
    'page.md:2: unknown host "net-9" of a fence: allowed are you, net-1, net-2',
  ],
  [
    'an unknown word',
    '## A\n```sh net-1 sorted\n$ true\n```\n',
    'page.md:2: unknown word "sorted" of a fence: allowed are nspawn, vagrant, any-order',
  ],
  [
    'output before a command',
    '## A\n```sh net-1\nhello\n```\n',
    'page.md:3: output without a command above it: hello',
  ],
  ['a fence that is not closed', '## A\n```sh net-1\n$ true\n', 'page.md: the last fence is not closed'],
  [
    'a terminal above the first heading',
    '```sh net-1\n$ true\n```\n',
    'page.md:1: a terminal needs a heading above it',
  ],
])('a page with %s is refused', (_, text, message) => {
  expect(() => parsePage(text, 'page.md', ['net-1', 'net-2'])).toThrow(message)
})
