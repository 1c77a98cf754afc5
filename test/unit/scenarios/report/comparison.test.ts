import { expect, test } from 'vitest'
import type { Event } from '../../../../scenarios/record/events.ts'
import { comparison } from '../../../../scenarios/report/comparison.ts'

const told = (
  scenario: string,
  driver: string,
  state: 'passed' | 'failed' | 'skipped',
  message?: string,
): Event => ({
  ...{ kind: 'scenario', scenario, driver, state, file: 'a.scenario.ts', at: 0, ms: 1234 },
  ...(message === undefined ? {} : { message }),
})

test('drivers stand side by side, and below them why a scenario is not for one', () => {
  const events: Event[] = [
    told('they ping', 'vxlan', 'passed'),
    told('it restarts', 'vxlan', 'passed'),
    told('it is left out', 'vxlan', 'passed'),
    told('they ping', 'swarm', 'failed', 'no reply'),
    told('it restarts', 'swarm', 'skipped', 'it refuses that'),
  ]
  expect(comparison(events)).toMatchInlineSnapshot(`
    "| scenario       | vxlan        | swarm        |
    | -------------- | ------------ | ------------ |
    | they ping      | passed 1.2 s | FAILED 1.2 s |
    | it restarts    | passed 1.2 s | not for it   |
    | it is left out | passed 1.2 s | did not run  |
    swarm, it restarts: it refuses that"
  `)
})
