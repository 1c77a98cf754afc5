/**
 * The walkthrough on a page that is broken: the run fails with exit code 1 and the line in the page. The
 * containers and networks that the run made before are removed before other files run.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Event } from '../../scenarios/record/events.ts'
import { temporaryFolder } from '../fixtures/temporary-folder.ts'
import { start } from './machine.ts'
import { bringUpSharedLab, sharedLab } from './shared-lab.ts'

beforeAll(bringUpSharedLab)

const folder = temporaryFolder(afterAll)

const page = readFileSync(new URL('../../docs/walkthrough.md', import.meta.url), 'utf8')
const lineOf = (text: string, part: string) => text.slice(0, text.indexOf(part)).split('\n').length
const command = 'root@net-1:~# uname -n'

test.each([
  [
    'a command that no scenario runs',
    `${command}\nnet-1\nroot@net-1:~# date`,
    'no scenario runs `date` on you',
    2,
  ],
  [
    'a command that the scenario does not type',
    'root@net-1:~# hostname',
    'is not on the page: the next command is at',
    0,
  ],
  ['an output that does not match', `${command}\nnet-7`, 'differs from the page', 1],
])('%s fails the job, with its line', async (_, instead, message, below) => {
  const copy = join(folder, 'page.md')
  writeFileSync(copy, page.replace(`${command}\nnet-1`, instead))
  const { ended, soFar } = start('scenarios/main.ts', '--on', sharedLab, '--page', copy, '1-machine-setup')
  expect((await ended).code, soFar()).toBe(1)
  expect(soFar()).toContain(`page.md:${lineOf(page, command) + below}`)
  expect(soFar()).toContain(message)
})

test('containers and networks of a page that failed are gone before other files run', async () => {
  const copy = join(folder, 'page.md')
  writeFileSync(copy, page.replace('ping -c 1 stoic_moore.multihost', 'ping -c 1 stoic_moore.elsewhere'))
  const { ended, soFar } = start(
    'scenarios/main.ts',
    '--on',
    sharedLab,
    '--page',
    copy,
    '2-getting-started',
    'overlay/addresses',
  )
  expect((await ended).code, soFar()).toBe(1)
  const events = readFileSync(new URL(`../../report/${sharedLab}/events.jsonl`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Event)
    .filter((event) => event.kind === 'scenario')
  const failed = events.filter(({ state }) => state === 'failed').map(({ scenario }) => scenario)
  expect(failed).toEqual(['They reach each other'])
  expect(
    events.filter(({ file, state }) => file.includes('overlay/addresses') && state === 'passed').length,
  ).toBeGreaterThan(0)
})
