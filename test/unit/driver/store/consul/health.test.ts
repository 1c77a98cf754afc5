import { expect, test } from 'vitest'
import { DriverError } from '../../../../../driver/core/errors.ts'
import { createHealth } from '../../../../../driver/store/consul/health.ts'
import { readableLog } from '../../../../fixtures/log.ts'

function heardBy() {
  const { log, entries } = readableLog()
  const health = createHealth(log, () => undefined)
  const fails = (says: string): void => health.heard(new DriverError('unavailable', says))
  return { health, fails, answers: () => health.heard(undefined), said: () => entries.map(textOf) }
}

const textOf = ({ message, fields: { err } }: ReturnType<typeof readableLog>['entries'][number]) =>
  err instanceof DriverError ? `${message}: ${err.message}` : message

test('Consul that goes away and comes back is said once each', () => {
  const { health, fails, answers, said } = heardBy()
  answers()
  health.watching(true)
  fails('connect ECONNREFUSED')
  fails('timed out')
  answers()
  fails('connect ECONNREFUSED')
  expect(said()).toEqual([
    'Consul does not answer: connect ECONNREFUSED',
    'Consul answers again',
    'Consul does not answer: connect ECONNREFUSED',
  ])
})

test('a failure that some calls have, and others not, is said once while the store cannot be followed', () => {
  const { health, fails, answers, said } = heardBy()
  for (let i = 0; i < 3; i++) {
    answers()
    fails('no X-Consul-Index')
    answers()
    fails('Permission denied')
    health.watching(false)
  }
  answers()
  expect(said()).toEqual([
    'Consul does not answer: no X-Consul-Index',
    'Consul does not answer: Permission denied',
  ])
  expect([health.fresh(), health.lastError()]).toEqual([false, 'Permission denied'])
  health.watching(true)
  expect([health.fresh(), health.lastError()]).toEqual([true, undefined])
})
