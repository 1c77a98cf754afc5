import { expect, test } from 'vitest'
import type { Event } from '../../../../scenarios/record/events.ts'
import { comparison } from '../../../../scenarios/report/comparison.ts'

const ran = (
  scenario: string,
  subject: string,
  state: 'passed' | 'failed' | 'skipped',
  message?: string,
): Event => ({
  ...{ kind: 'scenario', scenario, subject, state, file: 'a.scenario.ts', at: 0, ms: 1234 },
  ...(message === undefined ? {} : { message }),
})

test('subjects stand side by side, and below them why a scenario was skipped', () => {
  const events: Event[] = [
    ran('they ping', 'vxlan', 'passed'),
    ran('it restarts', 'vxlan', 'passed'),
    ran('it is left out', 'vxlan', 'passed'),
    ran('they ping', 'swarm', 'failed', 'no reply'),
    ran('it restarts', 'swarm', 'skipped', 'it refuses that'),
  ]
  expect(comparison(events)).toMatchInlineSnapshot(`
    "| scenario       | vxlan        | swarm        |
    | -------------- | ------------ | ------------ |
    | they ping      | passed 1.2 s | FAILED 1.2 s |
    | it restarts    | passed 1.2 s | skipped      |
    | it is left out | passed 1.2 s | did not run  |
    swarm, it restarts: it refuses that"
  `)
})

test('what each fault cost stands below, also where a scenario failed for it', () => {
  const lost = (subject: string, loss: { lost: number; isBack: boolean }): Event => ({
    ...{ kind: 'loss', scenario: 'a host is unplugged', traffic: 'between hosts', at: 0, sent: 90, subject },
    ...loss,
  })
  const events = [
    ran('a host is unplugged', 'vxlan', 'passed'),
    ran('a host is unplugged', 'mine', 'failed'),
    lost('vxlan', { lost: 12, isBack: true }),
    lost('mine', { lost: 90, isBack: false }),
  ]
  expect(comparison(events).split('\n').slice(4).join('\n')).toMatchInlineSnapshot(`
    "| lost                               | vxlan    | mine               |
    | ---------------------------------- | -------- | ------------------ |
    | a host is unplugged, between hosts | 12 of 90 | 90 of 90, for good |"
  `)
})
