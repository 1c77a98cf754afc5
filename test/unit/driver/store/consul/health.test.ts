import { expect, test } from 'vitest'
import { DriverError } from '../../../../../driver/core/errors.ts'
import { createHealth } from '../../../../../driver/store/consul/health.ts'
import type { CallSort } from '../../../../../driver/store/consul/servers.ts'
import { heldOf } from '../../../../fixtures/collected.ts'
import { readableLog } from '../../../../fixtures/log.ts'

function heardBy() {
  const { log, entries } = readableLog()
  const health = createHealth(log, () => undefined)
  const fails = (says: string): void => health.heard(new DriverError('unavailable', says))
  const refuses = (what: CallSort, says: string): void => {
    const cause = Object.assign(new Error(says), { response: { statusCode: 403, body: says } })
    health.heard(new DriverError('unavailable', says, { cause }), what)
  }
  const errs = (what: CallSort, says: string): void => {
    const cause = Object.assign(new Error(says), { response: { statusCode: 500, body: says } })
    health.heard(new DriverError('unavailable', says, { cause }), what)
  }
  const answers = (what?: CallSort): void => health.heard(undefined, what)
  return { health, fails, refuses, errs, answers, said: () => entries.map(textOf) }
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

test.each<[CallSort, CallSort]>([
  ['write', 'session'],
  ['session', 'write'],
])('a token that is refused each %s is said once, until one succeeds', (refused, other) => {
  const { health, fails, refuses, answers, said } = heardBy()
  const denied = (key: number) => `Permission denied: token lacks the right for m/${key}`
  answers('read')
  health.watching(true)
  for (let key = 1; key <= 3; key++) {
    refuses(refused, denied(key))
    answers('read')
    answers(other)
    expect([health.fresh(), health.lastError()]).toEqual([true, denied(key)])
  }
  expect(said()).toEqual([`Consul does not answer: ${denied(1)}`])
  answers(refused)
  expect(health.lastError()).toBeUndefined()
  refuses(refused, denied(4))
  answers('read')
  fails('connect ECONNREFUSED')
  answers('read')
  expect(health.lastError()).toBe(denied(4))
  expect(said().slice(1)).toEqual([
    'Consul answers again',
    `Consul does not answer: ${denied(4)}`,
    'Consul does not answer: connect ECONNREFUSED',
    'Consul answers again',
  ])
})

test('a refusal that ends an outage is said', () => {
  const { health, fails, refuses, answers, said } = heardBy()
  health.watching(true)
  fails('connect ECONNREFUSED')
  refuses('write', 'Permission denied')
  answers('read')
  refuses('write', 'Permission denied')
  expect(said()).toEqual([
    'Consul does not answer: connect ECONNREFUSED',
    'Consul does not answer: Permission denied',
    'Consul answers again',
  ])
})

test('sessions that Consul cannot make do not make the store away while keys work', () => {
  const { health, errs, answers, said } = heardBy()
  answers('read')
  health.watching(true)
  for (let second = 1; second <= 3; second++) {
    errs('session', 'Missing node registration')
    expect([health.fresh(), health.lastError()]).toEqual([true, 'Missing node registration'])
    answers('read')
    answers('write')
  }
  expect([health.fresh(), health.lastError()]).toEqual([true, 'Missing node registration'])
  answers('session')
  expect(health.lastError()).toBeUndefined()
  expect(said()).toEqual(['Consul does not answer: Missing node registration', 'Consul answers again'])
})

test('a session call without an answer, and any other that fails, makes the store away', () => {
  const { health, fails, errs, answers } = heardBy()
  answers('read')
  health.watching(true)
  health.heard(new DriverError('unavailable', 'timed out'), 'session')
  expect(health.fresh()).toBe(false)
  errs('session', 'No cluster leader')
  expect(health.fresh(), 'Consul has answered no other call since').toBe(false)
  answers('read')
  errs('write', 'No cluster leader')
  expect(health.fresh()).toBe(false)
  answers('read')
  fails('connect ECONNREFUSED')
  expect(health.fresh()).toBe(false)
})

test('an outage of days whose failures differ in their words holds some of them, and not all', async () => {
  const { health, answers, refuses, said } = heardBy()
  answers('read')
  health.watching(true)
  refuses('write', 'Permission denied')
  answers('read')
  const failures = Array.from({ length: 2000 }, (_, at) => {
    const failure = new DriverError('unavailable', `rpc error: read tcp 10.0.0.1:${at}: i/o timeout`)
    health.heard(failure)
    return new WeakRef(failure)
  })
  expect(await heldOf(failures)).toBeLessThan(200)
  answers('read')
  expect(health.lastError(), 'the token is refused all the same').toBe('Permission denied')
  expect(said().filter((it) => it.endsWith('i/o timeout'))).toHaveLength(1)
})
