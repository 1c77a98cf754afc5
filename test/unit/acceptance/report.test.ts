import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { junit, perform, timesTable } from '../../acceptance/report.ts'
import { temporaryFolder } from '../../fixtures/temporary-folder.ts'

test('a part that fails ends the run: its last words are kept, and the parts after it are not run', async () => {
  const folder = temporaryFolder()
  const ran: string[] = []
  const part = (title: string, line: string) => ({
    title,
    usualSeconds: 1,
    run: async (log: (command: string[]) => Promise<string>) => {
      ran.push(title)
      await log(['sh', '-c', line])
    },
  })
  const outcomes = await perform(
    [part('good', 'echo fine'), part('bad', 'echo why; exit 3'), part('late', 'true')],
    folder,
  )
  expect(ran).toEqual(['good', 'bad'])
  expect(
    outcomes.map(({ failure, skipped }) => (skipped ? 'skipped' : failure ? 'failed' : 'passed')),
  ).toEqual(['passed', 'failed', 'skipped'])
  expect(outcomes[1]?.failure).toContain('exit code 3')
  expect(outcomes[1]?.failure).toContain('why')
  expect(readFileSync(join(folder, 'good.log'), 'utf8')).toBe('fine\n')
})

const outcomes = [
  { title: 'vagrant up', seconds: 61.26 },
  { title: 'scenarios', seconds: 2, failure: 'net-1 said "<no>"\u001b[0m' },
  { title: 'destroy', seconds: 0, skipped: true },
]

test('the times of the parts are a table', () => {
  expect(timesTable(outcomes)).toMatchInlineSnapshot(`
    "vagrant up     61 s
    scenarios       2 s  FAILED
    destroy     not run"
  `)
})

test('the report is JUnit, with what failed and what was skipped', () => {
  expect(junit(outcomes)).toMatchInlineSnapshot(`
    "<?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="acceptance" tests="3" failures="1" errors="0" skipped="1" time="63.260">
      <testsuite name="acceptance" tests="3" failures="1" errors="0" skipped="1" time="63.260">
        <testcase classname="acceptance" name="vagrant up" time="61.260"/>
        <testcase classname="acceptance" name="scenarios" time="2.000">
          <failure message="net-1 said &quot;&lt;no&gt;&quot;">net-1 said &quot;&lt;no&gt;&quot;</failure>
        </testcase>
        <testcase classname="acceptance" name="destroy" time="0.000">
          <skipped/>
        </testcase>
      </testsuite>
    </testsuites>
    "
  `)
})
