/**
 * The replica and the change log against a model of Consul, in every order that calls can be answered in.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { emptySnapshot } from '../../../driver/core/snapshot.ts'
import { type Changelog, createChangelog, type LogItem } from '../../../driver/store/changelog.ts'
import { parsePath } from '../../../driver/store/keys.ts'
import {
  createReplica,
  type FullRead,
  type RawRecord,
  type Replica,
  type Written,
} from '../../../driver/store/replica.ts'

/** Consul as far as it matters here: one index for all keys of a transaction, and lists as of one moment. */
class ModelConsul {
  index = 10
  readonly records = new Map<string, RawRecord>()
  readonly log = new Map<string, LogItem>()

  commit(changelog: Changelog, { table, key, value }: Written): { index: number; written: Written[] } {
    const path = `${table}/${key}`
    const entry = changelog.entryFor([{ path, value }], 3)
    const index = ++this.index
    if (value === undefined) this.records.delete(path)
    else this.records.set(path, { table, key, index, text: JSON.stringify(value) })
    for (const old of entry.deletes) this.log.delete(old)
    this.log.set(entry.path, { path: entry.path, index, text: entry.text })
    return { index, written: [{ table, key, value }] }
  }

  list(): { records: RawRecord[]; log: LogItem[]; top: number } {
    const all = [...this.records.values(), ...this.log.values()]
    const top = all.reduce((highest, { index }) => Math.max(highest, index), 0)
    return { records: [...this.records.values()], log: [...this.log.values()], top }
  }
}

interface Host {
  replica: Replica
  changelog: Changelog
  /** Commits that Consul has made and whose answer has not come yet. */
  answers: { index: number; written: Written[] }[]
  reads: { full: FullRead; listed: ReturnType<ModelConsul['list']> }[]
  /** What the watch was answered, and has not received yet. */
  heard: LogItem[][]
}

function host(name: string, retentionMs: number): Host {
  const replica = createReplica(emptySnapshot(), { changed: () => undefined, corrupt: () => undefined })
  return {
    replica,
    changelog: createChangelog({ host: name, retentionMs, now: clock() }),
    answers: [],
    reads: [],
    heard: [],
  }
}

function clock(): () => number {
  let at = 0
  return () => ++at
}

/** As watch.ts does it. */
function poll(consul: ModelConsul, at: Host): 'log' | 'everything' {
  return hear(consul, at, consul.list().log)
}

function hear(consul: ModelConsul, { replica, changelog }: Host, items: LogItem[]): 'log' | 'everything' {
  const answer = changelog.follow(items, replica.index())
  if ('gap' in answer) {
    const full = replica.beginFullRead()
    const { records, log, top } = consul.list()
    changelog.adopt(log)
    full.finish(records, top)
    return 'everything'
  }
  const entries = answer.entries.map(({ index, changes }) => ({
    index,
    written: changes.flatMap(({ path, value }) => {
      const at = parsePath(path)
      return at === undefined ? [] : [{ ...at, value }]
    }),
  }))
  replica.follow(entries, answer.top)
  return 'log'
}

const stateOf = (consul: ModelConsul): string =>
  [...consul.records.values()]
    .map(({ key, index, text }) => `${key}@${index} ${text}`)
    .sort()
    .join('\n')
const stateAt = ({ replica }: Host): string =>
  [...replica.snapshot().vnis]
    .map(([key, { index, value }]) => `${key}@${index} ${JSON.stringify(value)}`)
    .sort()
    .join('\n')

const step = fc.record({
  who: fc.nat(1),
  what: fc.oneof(
    { weight: 4, arbitrary: fc.constant('commit' as const) },
    { weight: 2, arbitrary: fc.constant('answer' as const) },
    { weight: 3, arbitrary: fc.constant('poll' as const) },
    fc.constantFrom('begin' as const, 'finish' as const),
    fc.constantFrom('ask' as const, 'hear' as const),
  ),
  key: fc.constantFrom('1', '2', '3'),
  value: fc.option(fc.constantFrom('na', 'nb'), { nil: undefined }),
})

test('whatever overtakes what, a host that has polled knows exactly what Consul has', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 80, size: 'max' }),
      fc.constantFrom(0, 5, 1e9),
      (script, retentionMs) => {
        const consul = new ModelConsul()
        const hosts = [host('a', retentionMs), host('b', retentionMs)]
        for (const { who, what, key, value } of script) {
          const at = hosts[who] as Host
          if (what === 'commit') at.answers.push(consul.commit(at.changelog, { table: 'vnis', key, value }))
          if (what === 'begin') at.reads.push({ full: at.replica.beginFullRead(), listed: consul.list() })
          if (what === 'answer')
            for (const { index, written } of at.answers.splice(0, 1)) at.replica.commit(index, written)
          if (what === 'ask' && at.heard.length === 0) at.heard.push(consul.list().log)
          if (what === 'hear') for (const items of at.heard.splice(0, 1)) hear(consul, at, items)
          if (what === 'finish') {
            for (const { full, listed } of at.reads.splice(0, 1)) {
              at.changelog.adopt(listed.log)
              full.finish(listed.records, listed.top)
            }
          }
          if (what === 'poll') {
            // One watch: what it was answered before comes before.
            for (const items of at.heard.splice(0, 1)) hear(consul, at, items)
            poll(consul, at)
            expect(stateAt(at)).toBe(stateOf(consul))
          }
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('no key is ever turned back, and what a host has deleted does not come back to it', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (script) => {
      const consul = new ModelConsul()
      const hosts = [host('a', 3), host('b', 3)]
      const lowest = hosts.map(() => new Map<string, number>())
      for (const { who, what, key, value } of script) {
        const at = hosts[who] as Host
        const floor = lowest[who] as Map<string, number>
        if (what === 'commit') {
          const { index, written } = consul.commit(at.changelog, { table: 'vnis', key, value })
          at.replica.commit(index, written)
          expect(at.replica.snapshot().vnis.get(key)?.value, 'own commits are there at once').toBe(value)
          floor.set(key, index)
        }
        if (what === 'begin') at.reads.push({ full: at.replica.beginFullRead(), listed: consul.list() })
        if (what === 'finish') {
          for (const { full, listed } of at.reads.splice(0, 1)) full.finish(listed.records, listed.top)
        }
        if (what === 'ask' && at.heard.length === 0) at.heard.push(consul.list().log)
        if (what === 'hear') for (const items of at.heard.splice(0, 1)) hear(consul, at, items)
        for (const name of ['1', '2', '3']) {
          const index = at.replica.snapshot().vnis.get(name)?.index
          if (index !== undefined) expect(index).toBeGreaterThanOrEqual(floor.get(name) ?? 0)
          // Absent is right only when it was deleted, or replaced and deleted, at or after the floor.
          const truth = consul.records.get(`vnis/${name}`)
          if (index === undefined) expect(truth?.index).not.toBe(floor.get(name) ?? -1)
          floor.set(name, Math.max(index ?? 0, floor.get(name) ?? 0))
        }
      }
    }),
    { numRuns: 2000 },
  )
})

test('a host that follows closely reads the log alone', () => {
  const consul = new ModelConsul()
  const [writer, reader] = [host('a', 0), host('b', 0)]
  for (let i = 0; i < 50; i++) {
    consul.commit(writer.changelog, {
      table: 'vnis',
      key: `${i % 5}`,
      value: i % 3 === 0 ? undefined : `n${i}`,
    })
    expect([poll(consul, writer), poll(consul, reader)]).toEqual(['log', 'log'])
  }
  expect(consul.log.size).toBeLessThan(5)
})

test('a host that missed entries says how many', () => {
  const consul = new ModelConsul()
  const [writer, reader] = [host('a', 0), host('b', 0)]
  consul.commit(writer.changelog, { table: 'vnis', key: '1', value: 'n1' })
  poll(consul, writer)
  poll(consul, reader)
  for (let i = 0; i < 3; i++) {
    consul.commit(writer.changelog, { table: 'vnis', key: '2', value: 'n2' })
    poll(consul, writer)
  }
  expect(reader.changelog.follow(consul.list().log, reader.replica.index())).toEqual({
    gap: 'log entries up to 13 are gone, 11 was the last one seen',
  })
})

test('a Consul that went back to an older state counts alone', () => {
  const { replica } = host('a', 0)
  const before = { table: 'vnis', key: '1', index: 90, text: '"na"' } as const
  replica.beginFullRead().finish([before, { table: 'vnis', key: '2', index: 95, text: '"nb"' }], 95)
  replica.beginFullRead().finish([{ table: 'vnis', key: '1', index: 20, text: '"nc"' }], 20)
  expect(replica.index()).toBe(20)
  expect([...replica.snapshot().vnis]).toEqual([['1', { value: 'nc', index: 20 }]])
  replica.commit(21, [{ table: 'vnis', key: '2', value: 'nd' }])
  expect(replica.snapshot().vnis.get('2')?.value).toBe('nd')
})

test('the first full read believes nothing of what came from the disk', () => {
  const copy = { ...emptySnapshot(), vnis: new Map([['1', { value: 'old', index: 7 }]]) }
  const told: string[] = []
  const replica = createReplica(copy, {
    changed: (_, keys) => told.push(...keys.map(({ key }) => key)),
    corrupt: () => undefined,
  })
  replica.beginFullRead().finish([{ table: 'vnis', key: '1', index: 7, text: '"new"' }], 7)
  expect(replica.snapshot().vnis.get('1')?.value).toBe('new')
  expect(told).toEqual(['1'])
  replica.beginFullRead().finish([{ table: 'vnis', key: '1', index: 7, text: '"never read again"' }], 7)
  expect(told, 'the index says that nothing changed').toEqual(['1'])
})

test('a value that cannot be used is reported once per key and index', () => {
  const reports: string[] = []
  const replica = createReplica(emptySnapshot(), {
    changed: () => undefined,
    corrupt: (error) => reports.push((error as Error).message),
  })
  const bad = (index: number): RawRecord => ({ table: 'vnis', key: '1', index, text: '7' })
  replica.beginFullRead().finish([bad(5)], 5)
  replica.beginFullRead().finish([bad(5)], 6)
  replica.beginFullRead().finish([bad(7)], 7)
  expect(reports).toHaveLength(2)
  expect(replica.corrupt()).toEqual(['vnis/1'])
  replica.follow([{ index: 8, written: [{ table: 'vnis', key: '1', value: 'n1' }] }], 8)
  expect(replica.corrupt()).toEqual([])
  expect(replica.snapshot().vnis.get('1')?.value).toBe('n1')
})

test('a read that failed leaves everything as it was', () => {
  const { replica } = host('a', 0)
  replica.commit(5, [{ table: 'vnis', key: '1', value: 'n1' }])
  replica.beginFullRead().abandon()
  expect(replica.snapshot().vnis.size).toBe(1)
})
