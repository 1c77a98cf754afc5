/**
 * The mirror and the change log against a model of Consul, in every order that calls can be answered in.
 */

import fc from 'fast-check'
import { Map as PersistentMap } from 'immutable'
import { expect, test } from 'vitest'
import { applyDeltas, emptySnapshot } from '../../../../../driver/core/snapshot.ts'
import {
  type Changelog,
  createChangelog,
  entriesSince,
  type LogCommit,
  type LogItem,
} from '../../../../../driver/store/consul/change-log.ts'
import { writtenIn } from '../../../../../driver/store/consul/watch.ts'
import {
  createMirror,
  type FullRead,
  type Mirror,
  type RawRecord,
  type Written,
} from '../../../../../driver/store/mirror.ts'

/** Consul as far as it matters here: one index for all keys of a transaction, and lists as of one moment. */
class ModelConsul {
  index = 10
  readonly records = new Map<string, RawRecord>()
  readonly log = new Map<string, LogItem>()

  commit(changelog: Changelog, { table, key, value }: Written): { index: number; written: Written[] } {
    const path = `${table}/${key}`
    const entry = this.entryFor(changelog, { path, value })
    const index = ++this.index
    if (value === undefined) this.records.delete(path)
    else this.records.set(path, { table, key, index, text: JSON.stringify(value) })
    for (const folder of entry.deletes) this.deleteTree(folder)
    if (entry.closes) this.put(entry.nextHead, '{}')
    this.put(entry.path, entry.text)
    entry.applied()
    return { index, written: [{ table, key, value }] }
  }

  /** As store/consul/transactions.ts does it: a commit that Consul refuses is repeated. */
  entryFor(changelog: Changelog, change: { path: string; value: unknown }): LogCommit {
    for (;;) {
      const entry = changelog.entryFor([change], 3)
      const reopen = changelog.reopen()
      if (!this.log.has(entry.head)) reopen([...this.log.values()]) || this.adoptBy(changelog)
      else if (this.log.has(entry.nextHead)) entry.segmentClosed()
      else return entry
    }
  }

  adoptBy(changelog: Changelog): void {
    for (;;) {
      const head = changelog.adopt([...this.log.values()])
      if (head === undefined) return
      this.index += 1
      this.put(head, '{}')
    }
  }

  put(path: string, text: string): void {
    this.log.set(path, { path, index: this.index, text })
  }

  deleteTree(folder: string): void {
    for (const path of [...this.log.keys()]) if (path.startsWith(folder)) this.log.delete(path)
  }

  list(): { records: RawRecord[]; log: LogItem[]; top: number } {
    const all = [...this.records.values(), ...this.log.values()]
    const top = all.reduce((highest, { index }) => Math.max(highest, index), 0)
    return { records: [...this.records.values()], log: [...this.log.values()], top }
  }

  segment(folder: string): LogItem[] {
    return [...this.log.values()].filter(({ path }) => path.startsWith(folder))
  }
}

interface Host {
  mirror: Mirror
  changelog: Changelog
  /** Commits that Consul has made and whose answer has not come yet. */
  answers: { index: number; written: Written[] }[]
  reads: { full: FullRead; listed: ReturnType<ModelConsul['list']> }[]
  /** What the watch was answered, and has not received yet. */
  heard: LogItem[][]
  /** Where in the log the watch is. */
  segment: number
}

function host(name: string, retentionMs: number): Host {
  const mirror = createMirror(emptySnapshot(), { changed: () => undefined, corrupt: () => undefined })
  return {
    mirror,
    // Two entries or three: more segments than anybody would want.
    changelog: createChangelog({ host: name, retentionMs, segmentBytes: 300, now: clock() }),
    answers: [],
    reads: [],
    heard: [],
    segment: 1,
  }
}

function clock(): () => number {
  let at = 0
  return () => ++at
}

/** As watch.ts does it, until nothing is left to hear. */
function poll(consul: ModelConsul, at: Host): 'log' | 'everything' {
  for (;;) {
    const { segment } = at
    const items = consul.segment(at.changelog.folderOf(segment))
    if (hear(consul, at, items) === 'everything') return 'everything'
    if (at.segment === segment) return 'log'
  }
}

function hear(consul: ModelConsul, at: Host, items: LogItem[]): 'log' | 'everything' {
  const { mirror, changelog } = at
  const answer = changelog.follow(items, at.segment, mirror.index())
  if ('gap' in answer) {
    consul.adoptBy(changelog)
    const full = mirror.beginFullRead()
    finish(at, full, consul.list())
    at.segment = changelog.start()
    return 'everything'
  }
  mirror.follow(answer.entries.map(writtenIn), answer.top)
  at.segment = answer.next
  return 'log'
}

/** As full-read.ts does it. No key is deleted by hand here: the log explains each one that the read lacks. */
function finish(
  { mirror }: Host,
  full: FullRead,
  { records, log, top }: ReturnType<ModelConsul['list']>,
): void {
  const commits = entriesSince(log, mirror.index())?.map(writtenIn)
  full.finish(records, top, { reset: false, log: commits && { commits, keeps: () => true } })
  expect(mirror.missing()).toEqual([])
}

const stateOf = (consul: ModelConsul): string =>
  [...consul.records.values()]
    .map(({ key, index, text }) => `${key}@${index} ${text}`)
    .sort()
    .join('\n')
const stateAt = ({ mirror }: Host): string =>
  [...mirror.snapshot().vnis]
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

test('in any order of delivery, a host that has polled knows exactly what Consul has', () => {
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
          if (what === 'begin') at.reads.push({ full: at.mirror.beginFullRead(), listed: consul.list() })
          if (what === 'answer')
            for (const { index, written } of at.answers.splice(0, 1)) at.mirror.commit(index, written)
          if (what === 'ask' && at.heard.length === 0)
            at.heard.push(consul.segment(at.changelog.folderOf(at.segment)))
          if (what === 'hear') for (const items of at.heard.splice(0, 1)) hear(consul, at, items)
          if (what === 'finish') {
            for (const { full, listed } of at.reads.splice(0, 1)) {
              at.changelog.adopt(listed.log, true)
              finish(at, full, listed)
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
    { numRuns: 1000 },
  )
})

test('no key is ever turned back, and what a host has deleted does not come back to it', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (script) => {
      const consul = new ModelConsul()
      const hosts = [host('a', 3), host('b', 3)]
      const lowest = hosts.map(() => new Map<string, number>())
      const errors: string[] = []
      for (const { who, what, key, value } of script) {
        const at = hosts[who] as Host
        const floor = lowest[who] as Map<string, number>
        if (what === 'commit') {
          const { index, written } = consul.commit(at.changelog, { table: 'vnis', key, value })
          at.mirror.commit(index, written)
          expect(at.mirror.snapshot().vnis.get(key)?.value, 'own commits are there at once').toBe(value)
          floor.set(key, index)
        }
        if (what === 'begin') at.reads.push({ full: at.mirror.beginFullRead(), listed: consul.list() })
        if (what === 'finish') {
          for (const { full, listed } of at.reads.splice(0, 1)) finish(at, full, listed)
        }
        if (what === 'ask' && at.heard.length === 0)
          at.heard.push(consul.segment(at.changelog.folderOf(at.segment)))
        if (what === 'hear') for (const items of at.heard.splice(0, 1)) hear(consul, at, items)
        for (const name of ['1', '2', '3']) {
          const index = at.mirror.snapshot().vnis.get(name)?.index
          const least = floor.get(name) ?? 0
          if (index !== undefined && index < least) errors.push(`${name} went back from ${least} to ${index}`)
          // Absent is right only when it was deleted, or replaced and deleted, at or after the floor.
          const truth = consul.records.get(`vnis/${name}`)?.index
          if (index === undefined && truth === least) errors.push(`${name}@${truth} is lost`)
          floor.set(name, Math.max(index ?? 0, least))
        }
      }
      expect(errors).toEqual([])
    }),
    { numRuns: 1000 },
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
  expect(consul.log.size).toBeLessThan(10)
})

test('what a watcher is answered is as short after five hundred commits as after ten', () => {
  const longestAfter = (commits: number): number => {
    const consul = new ModelConsul()
    const [writer, reader] = [host('a', 1e9), host('b', 1e9)]
    consul.adoptBy(writer.changelog)
    let longest = 0
    for (let i = 0; i < commits; i++) {
      consul.commit(writer.changelog, { table: 'vnis', key: `${100 + (i % 5)}`, value: `n${i % 10}` })
      longest = Math.max(longest, consul.segment(reader.changelog.folderOf(reader.segment)).length)
      expect([poll(consul, writer), poll(consul, reader)]).toEqual(['log', 'log'])
    }
    return longest
  }
  expect([longestAfter(10), longestAfter(500)]).toEqual([4, 4])
})

test('a segment whose commits no host has heard of yet is closed by the first that hears', () => {
  const consul = new ModelConsul()
  const writers = Array.from({ length: 20 }, (_, i) => host(`w${i}`, 1e9))
  const commitAll = (): void => {
    for (const { changelog } of writers) consul.commit(changelog, { table: 'vnis', key: '1', value: 'n1' })
  }
  commitAll()
  expect(consul.segment('changes/1/'), 'a head and an entry of each').toHaveLength(21)
  for (const writer of writers) poll(consul, writer)
  commitAll()
  expect([consul.segment('changes/1/').length, consul.segment('changes/2/').length]).toEqual([22, 20])
})

test('a host that missed entries says which', () => {
  const consul = new ModelConsul()
  const [writer, reader] = [host('a', 0), host('b', 0)]
  consul.commit(writer.changelog, { table: 'vnis', key: '1', value: 'n1' })
  poll(consul, writer)
  poll(consul, reader)
  for (let i = 0; i < 8; i++) {
    consul.commit(writer.changelog, { table: 'vnis', key: '2', value: 'n2' })
    poll(consul, writer)
  }
  const { changelog, mirror } = reader
  const missed = changelog.follow(consul.segment('changes/1/'), 1, mirror.index())
  expect(missed).toEqual({ gap: 'segment 1 of the log is gone' })
})

test('an entry that an operator deletes by hand is missed', () => {
  const consul = new ModelConsul()
  const { changelog, mirror } = host('a', 0)
  consul.commit(changelog, { table: 'vnis', key: '1', value: 'n1' })
  const items = consul.segment('changes/1/')
  changelog.follow(items, 1, mirror.index())
  const rest = items.filter(({ path }) => path.endsWith('head'))
  expect(changelog.follow(rest, 1, mirror.index())).toEqual({
    gap: expect.stringMatching(/^the log entry changes\/1\/a\/\w+-2 was deleted by hand$/),
  })
})

test('a log whose last segment an operator deletes by hand goes on where it ended', () => {
  const consul = new ModelConsul()
  const { changelog } = host('a', 1e9)
  for (let i = 0; i < 4; i++) consul.commit(changelog, { table: 'vnis', key: '1', value: 'n1' })
  consul.deleteTree('changes/2/')
  expect(changelog.adopt([...consul.log.values()])).toBe('changes/2/head')
})

test('a closed segment is kept for a minute, and for five seconds where there is a megabyte of later ones', () => {
  const consul = new ModelConsul()
  let now = 0
  const changelog = createChangelog({ host: 'a', retentionMs: 5000, segmentBytes: 0, now: () => now })
  const commitAt = (ms: number, value = 'n1'): void => {
    now = ms
    consul.commit(changelog, { table: 'vnis', key: '1', value })
  }
  const fillAt = (ms: number, value?: string): void => {
    commitAt(ms, value)
    commitAt(ms, value)
  }
  const segments = (): string =>
    [...consul.log.keys()].flatMap((path) => /^changes\/(\d+)\/head$/.exec(path)?.[1] ?? []).join(' ')
  fillAt(0)
  fillAt(60_000)
  expect(segments()).toBe('1 2 3')
  fillAt(60_001, 'x'.repeat(500_000))
  expect(segments()).toBe('2 3 4')
  fillAt(65_000)
  expect(segments()).toBe('2 3 4 5')
  commitAt(65_002)
  expect(segments()).toBe('4 5')
})

test('a read that is older than what the watch has seen takes nothing of that back', () => {
  const consul = new ModelConsul()
  const [writer, reader] = [host('a', 1e9), host('b', 1e9)]
  const commit = (by: Host) => consul.commit(by.changelog, { table: 'vnis', key: '1', value: 'n1' })
  for (let n = 0; n < 4; n++) commit(writer)
  poll(consul, reader)
  const { log } = consul.list()
  for (let n = 0; n < 9; n++) commit(writer)
  poll(consul, reader)
  const before = reader.changelog.position()
  expect(reader.changelog.adopt(log, true)).toBeUndefined()
  expect(reader.changelog.position()).toEqual(before)
  expect(reader.changelog.entryFor([], 0).head).toBe(`changes/${before.segment}/head`)
  expect(reader.changelog.start(), 'a watch goes on behind the read').toBe(2)
  reader.changelog.adopt(log)
  expect(reader.changelog.position().segment, 'of another past it is as it is read').toBe(2)
})

test('the next entry goes to the end of a log that has all that the host knew when it asked', () => {
  const consul = new ModelConsul()
  const [writer, reader] = [host('a', 1e9), host('b', 1e9)]
  const commit = () => consul.commit(writer.changelog, { table: 'vnis', key: '1', value: 'n1' })
  const head = () => reader.changelog.entryFor([], 0).head
  for (let n = 0; n < 4; n++) commit()
  poll(consul, reader)
  const older = consul.list().log
  const late = reader.changelog.reopen()
  for (let n = 0; n < 9; n++) commit()
  expect(reader.changelog.reopen()(consul.list().log)).toBe(true)
  const end = head()
  expect(end).not.toBe('changes/2/head')
  expect(late(older), 'it was asked for before').toBe(true)
  expect(reader.changelog.reopen()(older), 'a part of the log is lost').toBe(false)
  expect(reader.changelog.reopen()([])).toBe(false)
  const { entry = '' } = reader.changelog.position()
  expect(reader.changelog.reopen()(consul.list().log.filter(({ path }) => path !== entry))).toBe(false)
  expect(head()).toBe(end)
  reader.changelog.adopt(older, true)
  expect(head(), 'the next read says where it goes').toBe('changes/2/head')
})

test('no segment is deleted before an earlier one that the host has not followed', () => {
  const consul = new ModelConsul()
  const writer = host('a', 1e9)
  for (let n = 0; n < 9; n++) consul.commit(writer.changelog, { table: 'vnis', key: '1', value: 'n1' })
  let now = 0
  const late = createChangelog({ host: 'b', retentionMs: 5000, segmentBytes: 300, now: () => now })
  expect(late.reopen()(consul.list().log)).toBe(true)
  const folders = [...consul.log.keys()].flatMap((path) => /^(.*\/)head$/.exec(path)?.[1] ?? [])
  now = 60_001
  expect(late.entryFor([], 100).deletes).toEqual(folders.slice(0, -1))
})

test('a Consul that went back to an older state counts alone', () => {
  const { mirror } = host('a', 0)
  const before = { table: 'vnis', key: '1', index: 90, text: '"na"' } as const
  mirror.beginFullRead().finish([before, { table: 'vnis', key: '2', index: 95, text: '"nb"' }], 95)
  mirror.beginFullRead().finish([{ table: 'vnis', key: '1', index: 20, text: '"nc"' }], 20)
  expect(mirror.index()).toBe(20)
  expect([...mirror.snapshot().vnis]).toEqual([['1', { value: 'nc', index: 20 }]])
  mirror.commit(21, [{ table: 'vnis', key: '2', value: 'nd' }])
  expect(mirror.snapshot().vnis.get('2')?.value).toBe('nd')
})

test('the first full read believes nothing of what came from the disk', () => {
  const copy = { ...emptySnapshot(), vnis: PersistentMap([['1', { value: 'old', index: 7 }]]) }
  const told: string[] = []
  const mirror = createMirror(copy, {
    changed: (_, keys) => told.push(...keys.map(({ key }) => key)),
    corrupt: () => undefined,
  })
  mirror.beginFullRead().finish([{ table: 'vnis', key: '1', index: 7, text: '"new"' }], 7)
  expect(mirror.snapshot().vnis.get('1')?.value).toBe('new')
  expect(told).toEqual(['1'])
  mirror.beginFullRead().finish([{ table: 'vnis', key: '1', index: 7, text: '"never read again"' }], 7)
  expect(told, 'the index says that nothing changed').toEqual(['1'])
})

test('a value that cannot be used is reported once per key and index', () => {
  const reports: string[] = []
  const mirror = createMirror(emptySnapshot(), {
    changed: () => undefined,
    corrupt: (error) => reports.push((error as Error).message),
  })
  const bad = (index: number): RawRecord => ({ table: 'vnis', key: '1', index, text: '7' })
  mirror.beginFullRead().finish([bad(5)], 5)
  mirror.beginFullRead().finish([bad(5)], 6)
  mirror.beginFullRead().finish([bad(7)], 7)
  expect(reports).toHaveLength(2)
  expect(mirror.corrupt()).toEqual([{ table: 'vnis', key: '1' }])
  mirror.follow([{ index: 8, written: [{ table: 'vnis', key: '1', value: 'n1' }] }], 8)
  expect(mirror.corrupt()).toEqual([])
  expect(mirror.snapshot().vnis.get('1')?.value).toBe('n1')
})

test('a read that failed leaves everything as it was', () => {
  const { mirror } = host('a', 0)
  mirror.commit(5, [{ table: 'vnis', key: '1', value: 'n1' }])
  mirror.beginFullRead().abandon()
  expect(mirror.snapshot().vnis.size).toBe(1)
})

test('what the log does not explain stays, and is missing until it is written or removed', () => {
  const consul = new ModelConsul()
  const at = host('a', 1e9)
  for (const key of ['1', '2', '3']) consul.commit(at.changelog, { table: 'vnis', key, value: 'n1' })
  poll(consul, at)
  consul.records.clear()
  consul.commit(at.changelog, { table: 'vnis', key: '3', value: undefined })
  const { records, log, top } = consul.list()
  const commits = entriesSince(log, at.mirror.index())?.map(writtenIn) ?? []
  const keeps = (_: unknown, { key }: { key: string }): boolean => key === '1'
  at.mirror.beginFullRead().finish(records, top, { reset: false, log: { commits, keeps } })
  expect([...at.mirror.snapshot().vnis.keys()]).toEqual(['1'])
  expect(at.mirror.missing()).toEqual([{ table: 'vnis', key: '1' }])
  at.mirror.commit(top + 1, [{ table: 'vnis', key: '1', value: 'n1' }])
  expect(at.mirror.missing()).toEqual([])
})

test('the log explains nothing before its first segment, and nothing beside an entry that cannot be read', () => {
  const head = (segment: number, index: number): LogItem => ({
    path: `changes/${segment}/head`,
    index,
    text: '{}',
  })
  const entry = (segment: number, index: number, text = '{"changes":[["vnis/1"]]}'): LogItem => {
    return { path: `changes/${segment}/a/x-${index}`, index, text }
  }
  const log = [head(7, 20), entry(7, 25), entry(7, 30), head(8, 30), entry(8, 35)]
  const since = (index: number, items = log) => entriesSince(items, index)?.map((it) => it.index)
  expect([since(19), since(20), since(25), since(34), since(99)]).toEqual([
    undefined,
    [25, 30, 35],
    [30, 35],
    [35],
    [],
  ])
  expect(since(20, [...log, entry(8, 36, '{]')])).toBeUndefined()
  expect([since(99, []), since(20, [head(6, 10), head(8, 30)])]).toEqual([undefined, undefined])
})

test('a record that stays over a reset takes every change of the new past, though its index was higher', () => {
  const before = [{ table: 'vnis', key: '1', record: { value: 'old', index: 90_000 } } as const]
  const copy = applyDeltas(emptySnapshot(), before)
  const mirror = createMirror(copy, { changed: () => undefined, corrupt: () => undefined })
  mirror.beginFullRead().finish([], 50, { reset: true, log: { commits: [], keeps: () => true } })
  expect(mirror.snapshot().vnis.get('1')?.value).toBe('old')
  mirror.follow([{ index: 80, written: [{ table: 'vnis', key: '1', value: 'new' }] }], 80)
  expect(mirror.snapshot().vnis.get('1')).toEqual({ value: 'new', index: 80 })
  mirror.follow([{ index: 81, written: [{ table: 'vnis', key: '1', value: undefined }] }], 81)
  expect(mirror.snapshot().vnis.has('1')).toBe(false)
})
