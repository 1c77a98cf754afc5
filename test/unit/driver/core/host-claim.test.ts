/** Every situation in which a host claims its name, and in which it claims a VTEP. */
import { expect, test } from 'vitest'
import { judgeClaim, liveVtepHolder, type NameHolder } from '../../../../driver/core/host-claim.ts'
import type { Liveness } from '../../../../driver/core/liveness.ts'
import type { HostRecord } from '../../../../driver/core/records.ts'

const [here, there] = ['192.168.33.11', '192.168.33.12']
const self = { host: 'net-1', id: 'a', vtep: here }
const record = (vtep: string, session?: string): HostRecord => {
  return { vtep, driverVersion: '0.1.0', ...(session !== undefined && { session }) }
}
const seen = (more: Partial<Liveness> = {}): Liveness => {
  return { keys: new Map(), announced: new Map(), sessions: new Map(), ...more }
}
const lockedBy = 's'
const lives = seen({ sessions: new Map([['s', true]]) })

test.each<[situation: string, holder: NameHolder, verdict: string]>([
  ['nothing', {}, 'free'],
  ['the announcement of a host that was removed', { announcement: { id: 'b', vtep: there } }, 'free'],
  ['locked, same id, same VTEP', { lockedBy, announcement: self }, 'own'],
  ['locked, same id, same VTEP, own session', { lockedBy, isOwnSession: true, announcement: self }, 'own'],
  [
    'locked, same id, same VTEP, other session',
    { lockedBy, isOwnSession: false, announcement: self },
    'taken',
  ],
  ['locked, same VTEP, other id', { lockedBy, announcement: { id: 'b', vtep: here } }, 'taken'],
  ['locked, other VTEP', { lockedBy, announcement: { id: 'b', vtep: there } }, 'taken'],
  ['locked, other VTEP, same id', { lockedBy, announcement: { id: 'a', vtep: there } }, 'taken'],
  ['locked, with a value of another program', { lockedBy, announcement: {} }, 'taken'],
  ['record, same id, same VTEP', { record: record(here), announcement: self }, 'own'],
  ['record, same id, other VTEP', { record: record(there), announcement: { id: 'a', vtep: there } }, 'own'],
  ['record, other id, same VTEP', { record: record(here), announcement: { id: 'b', vtep: here } }, 'own'],
  [
    'record, other id, other VTEP',
    { record: record(there), announcement: { id: 'b', vtep: there } },
    'taken',
  ],
  ['record, with a value of another program', { record: record(there), announcement: {} }, 'taken'],
  ['record alone, same VTEP, session lives', { record: record(here, 's'), liveness: lives }, 'own'],
  ['record alone, other VTEP, session lives', { record: record(there, 's'), liveness: lives }, 'taken'],
  [
    'record alone, other VTEP, session ended',
    { record: record(there, 's'), liveness: seen({ sessions: new Map([['s', false]]) }) },
    'own',
  ],
  ['record alone, other VTEP, sessions hidden', { record: record(there, 's'), liveness: seen() }, 'own'],
])('a name: %s', (_, holder, verdict) => {
  expect(judgeClaim(self, holder).is).toBe(verdict)
})

test('a machine whose interface is not known is told by its id alone', () => {
  const machine = { host: 'net-1', id: 'a', vtep: undefined }
  const is = (holder: NameHolder): string => judgeClaim(machine, holder).is
  expect(is({ lockedBy, announcement: { id: 'a', vtep: there } })).toBe('own')
  expect(is({ lockedBy, announcement: { id: 'b', vtep: there } })).toBe('taken')
  expect(is({ record: record(there), announcement: { id: 'b' } })).toBe('taken')
})

test('the verdict says whose the name is, and what to do', () => {
  const said = (holder: NameHolder): string => Object.values(judgeClaim(self, holder)).join('; ')
  const other = { id: 'b', vtep: there }
  expect([
    said({}),
    said({ record: record(here), announcement: self }),
    said({ record: record(here), announcement: { id: 'b', vtep: here } }),
    said({ lockedBy, announcement: other }),
    said({ lockedBy, announcement: { id: 'a', vtep: there } }),
    said({ lockedBy, announcement: { id: 'b', vtep: here } }),
    said({ record: record(there), announcement: other }),
  ]).toMatchInlineSnapshot(`
    [
      "free; no host is called net-1",
      "own; the name net-1 is this host's",
      "own; this host was installed anew: it has its earlier name, address and records",
      "taken; another live host is called net-1: VTEP 192.168.33.12, id b; this host takes part in nothing until it is started with a name of its own: --host-name=NAME",
      "taken; another live host is called net-1: VTEP 192.168.33.12, id a; that host has this host's id, so one disk is a copy of the other: on the copy, stop multihost, delete host.json in its state folder, and start it with --host-name=NAME",
      "taken; another live host is called net-1: VTEP 192.168.33.11, id b; if this machine was installed anew, wait half a minute: its old session ends; else this host takes part in nothing until it is started with a name of its own: --host-name=NAME",
      "taken; the name net-1 belongs to another host, which is away: VTEP 192.168.33.12, id b; start this host with --host-name=NAME, or, if the other one will not come back, run 'multihost host rm net-1' on another host",
    ]
  `)
})

const alive = (...names: string[]): Partial<Liveness> => ({
  keys: new Map(names.map((name) => [name, `session of ${name}`])),
})
test.each<[situation: string, records: [string, HostRecord][], seen: Liveness, holder: string | undefined]>([
  ['of no host', [], seen(), undefined],
  ['recorded by a live host', [['net-2', record(here)]], seen(alive('net-2')), 'net-2'],
  ['recorded by a host that is away', [['net-2', record(here)]], seen(), undefined],
  ['recorded by this host', [['net-1', record(here)]], seen(alive('net-1')), undefined],
  [
    'recorded by a live host that has announced another one',
    [['net-2', record(here)]],
    seen({ ...alive('net-2'), announced: new Map([['net-2', there]]) }),
    undefined,
  ],
  [
    'announced by another host',
    [],
    seen({ ...alive('net-2'), announced: new Map([['net-2', here]]) }),
    'net-2',
  ],
  [
    'announced by this host, then by another one',
    [],
    seen({
      ...alive('net-1', 'net-2'),
      announced: new Map([
        ['net-1', here],
        ['net-2', here],
      ]),
    }),
    undefined,
  ],
  [
    'announced by another host, then by this one',
    [],
    seen({
      ...alive('net-1', 'net-2'),
      announced: new Map([
        ['net-2', here],
        ['net-1', here],
      ]),
    }),
    'net-2',
  ],
])('a VTEP: %s', (_, records, liveness, holder) => {
  expect(liveVtepHolder({ host: 'net-1', vtep: here }, new Map(records), liveness)).toBe(holder)
})
