import { expect, test } from 'vitest'
import type { ServiceHolder } from '../../../../driver/core/records.ts'
import { holderOn, lastEnded } from '../../../../driver/core/service-holder.ts'
import { checkRecord } from '../../../../driver/store/schemas.ts'

const before = { host: 'net-1', container: { id: 'c'.repeat(64), name: 'web' } }
const attaching = { host: 'net-2', attachingSince: '2026-01-01T00:00:00Z', before }
const after = (seconds: number): Date => new Date(Date.parse(attaching.attachingSince) + 1000 * seconds)

test.each<[situation: string, holder: ServiceHolder | undefined, host: string, at: Date, by: unknown]>([
  ['no holder', undefined, 'net-1', after(0), undefined],
  ['the holder', before, 'net-1', after(0), before],
  ['another host', before, 'net-2', after(0), undefined],
  ['the holder before, while an attach is under way', attaching, 'net-1', after(29), undefined],
  ['the holder before, when the attach did not end', attaching, 'net-1', after(30), before],
  ['the host of that attach, when it starts its container late', attaching, 'net-2', after(999), attaching],
  [
    'what an older driver has left after an attach',
    { host: 'net-2', before },
    'net-1',
    after(999),
    undefined,
  ],
])('the address may be used by %s', (_, holder, host, at, by) => {
  expect(holderOn(holder, host, at)).toBe(by)
})

test('an attach that has ended is the last one, and the one before otherwise', () => {
  expect(lastEnded({ host: 'net-2', before })).toEqual({ host: 'net-2' })
  expect(lastEnded(attaching)).toEqual(before)
  expect(lastEnded({ host: 'net-2', attachingSince: attaching.attachingSince })).toBeUndefined()
})

test('records of older drivers are readable, and of later ones with what they add', () => {
  const service = { id: 'e'.repeat(64), network: 'a'.repeat(64), name: 'db', v4: '172.21.0.2' }
  for (const holder of [before, attaching, { ...attaching, before: { ...before, since: 'later' } }]) {
    const value = { ...service, holder }
    expect(checkRecord('services', `${service.network}/db`, value)).toEqual(value)
  }
})
