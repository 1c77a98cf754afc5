import { expect, test } from 'vitest'
import type { Event } from '../../../../scenarios/record/events.ts'
import { junit } from '../../../../scenarios/report/junit.ts'
import { reportOf } from '../../../../scenarios/report/model.ts'
import { roundsSummary } from '../../../../scenarios/report/rounds.ts'
import { events as sample } from '../../../fixtures/events.sample.ts'

const wait = (command: string, ms: number, held = true): Event => ({
  kind: 'wait',
  scenario: 's',
  host: 'net-1',
  command,
  at: 0,
  ms,
  tries: 1,
  held,
})

const [run] = sample.filter((event) => event.kind === 'run')
const round = (number: number, code: number): Event[] => (run ? [{ ...run, round: number, code }] : [])
const scenario = (state: 'passed' | 'failed', message = ''): Event => ({
  kind: 'scenario',
  scenario: 'one',
  file: 'scenarios/one.scenario.ts',
  state,
  at: 0,
  ms: 1,
  message,
})

test('rounds are counted, those that failed are named, and each condition has its times over all of them', () => {
  const events = [
    ...[10, 20, 30, 40, 50].map((ms) => wait('ping 172.21.0.3', ms)),
    ...round(1, 0),
    ...[60, 70, 80, 90].map((ms) => wait('ping 172.21.0.4', ms)),
    wait('ping 172.21.0.4', 10_000, false),
    wait('multihost status | jq -e .fresh', 5),
    ...round(2, 1),
  ]
  expect(roundsSummary(events, 3)).toMatchInlineSnapshot(`
    "1 of 3 rounds held; failed: 2; stopped after round 2

    | until                           | waits | min   | median | p90   | max    |
    | ------------------------------- | ----- | ----- | ------ | ----- | ------ |
    | ping ADDRESS (1 timed out)      | 10    | 10 ms | 55 ms  | 90 ms | 10.0 s |
    | multihost status / jq -e .fresh | 1     | 5 ms  | 5 ms   | 5 ms  | 5 ms   |"
  `)
})

test('rounds that all held have nothing more to say', () => {
  expect(roundsSummary([...round(1, 0), ...round(2, 0)], 2)).toContain('2 of 2 rounds held\n')
})

test('the report is of the last round that failed, if one did: a later one that held does not hide it', () => {
  const events = [
    scenario('failed', 'in the first'),
    ...round(1, 1),
    scenario('failed', 'in the second'),
    ...round(2, 1),
    scenario('passed'),
    ...round(3, 0),
  ]
  expect(reportOf(events, () => '').headline).toBe('1 of 1 scenario failed')
  expect(junit(events, 'report')).toContain('failures="1"')
  expect(junit(events, 'report')).toContain('message="in the second"')
})
