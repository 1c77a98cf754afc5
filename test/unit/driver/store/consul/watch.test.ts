/**
 * What the watch asks for after a failure: as much as has changed, and everything only where the log has
 * moved on.
 */
import { afterEach, expect, test } from 'vitest'
import { DriverError } from '../../../../../driver/core/errors.ts'
import { emptySnapshot } from '../../../../../driver/core/snapshot.ts'
import { silentLog } from '../../../../../driver/log.ts'
import { createChangelog } from '../../../../../driver/store/consul/change-log.ts'
import type { Listing, ListQuery } from '../../../../../driver/store/consul/client.ts'
import { follow } from '../../../../../driver/store/consul/watch.ts'
import { createMirror } from '../../../../../driver/store/mirror.ts'
import { until } from '../../../../fixtures/until.ts'

let stop: AbortController
afterEach(() => stop.abort())

/** Answers in turn; from the last one on nothing is answered. The log beside a full read is empty. */
function watching(
  answers: (Listing | Error)[],
  { resyncMs = 60_000, readAll = async (): Promise<void> => undefined } = {},
) {
  stop = new AbortController()
  const { signal } = stop
  const asked: ListQuery[] = []
  const said: string[] = []
  const mirror = createMirror(emptySnapshot(), { changed: () => undefined, corrupt: () => undefined })
  void follow({
    ...{ prefix: 'm', mirror, log: silentLog, signal, waitMs: 2000, resyncMs: () => resyncMs },
    changelog: createChangelog({ host: 'net-1', retentionMs: 5000, now: () => 0 }),
    async readAll() {
      said.push('everything')
      await readAll()
    },
    delivered: () => undefined,
    connected: (yes) => void said.push(yes ? 'connected' : 'away'),
    client: {
      async list(path, query = {}) {
        if (path === 'm/changes/') return listing(1)
        asked.push(query)
        const answer = answers.shift()
        if (answer instanceof Error) throw answer
        return answer ?? new Promise<Listing>((_, reject) => signal.addEventListener('abort', reject))
      },
    },
  })
  return { mirror, asked, said }
}

const away = new DriverError('unavailable', 'Consul does not answer')
const head = { key: 'm/changes/1/head', index: 5, created: 5, text: '{}' }
const vni = (n: number, index: number) => {
  const text = JSON.stringify({ changes: [[`vnis/${n}`, 'n1']] })
  return { key: `m/changes/1/net-2/x-${n}`, index, created: index, text }
}
const listing = (index: number, ...items: Listing['items']): Listing => ({ index, items, bytes: 0 })
const reads = (said: readonly string[]) => said.filter((it) => it === 'everything').length

test('what came while Consul was away is read from the log, at once and alone', async () => {
  const { mirror, asked, said } = watching([
    listing(10, head, vni(256, 10)),
    away,
    listing(12, head, vni(256, 10), vni(257, 12)),
  ])
  await until('it is known', () => mirror.snapshot().vnis.has('257'))
  await until('the next question is asked', () => asked.length === 4)
  expect(reads(said)).toBe(1)
  expect(said.slice(-3)).toEqual(['connected', 'away', 'connected'])
  const asks = asked.map(({ index, consistent }) => (consistent ? 'now' : index))
  expect(asks).toEqual(['now', 10, 'now', 12])
})

test.each([
  ['has moved on', listing(12)],
  ['has lost an entry', listing(12, head)],
  ['is that of a Consul that went back', listing(7, head)],
  ['was made anew under its number', listing(12, { ...head, index: 11 }, vni(256, 10))],
])('a log that %s makes it read everything', async (_, after) => {
  const { said, asked } = watching([listing(10, head, vni(256, 10)), away, after])
  await until('the next question is asked', () => asked.length === 4)
  expect(reads(said)).toBe(2)
})

test('so does an unforeseen failure, and the time for it', async () => {
  const broken = watching([listing(10, head), new TypeError('broken')])
  await until('it has read again', () => reads(broken.said) === 2)
  stop.abort()
  const old = watching([listing(10, head), away], { resyncMs: 1 })
  await until('it has read again', () => reads(old.said) === 2)
})

test('what comes while everything is read at intervals is known at once', async () => {
  let reads = 0
  let readEnds = (): void => undefined
  const readAll = async (): Promise<void> => {
    if (++reads === 1) return
    await new Promise<void>((resolve) => {
      readEnds = resolve
    })
  }
  const { mirror, asked } = watching(
    [listing(10, head), listing(12, head, vni(256, 12)), listing(14, head, vni(256, 12), vni(257, 14))],
    { resyncMs: 0, readAll },
  )
  await until('it is known', () => mirror.snapshot().vnis.has('257'))
  expect(reads).toBe(2)
  readEnds()
  await until('the next question is asked', () => asked.length === 4)
})

test('after such a read has failed, nothing is taken from the log before another one', async () => {
  let reads = 0
  const readAll = async (): Promise<void> => {
    if (++reads > 1) throw away
  }
  const { mirror, said } = watching([listing(10, head), listing(12, head, vni(256, 12))], {
    resyncMs: 0,
    readAll,
  })
  await until('it is tried again', () => reads > 3)
  expect(said.slice(-1)).not.toEqual(['connected'])
  expect(mirror.snapshot().vnis.size).toBe(0)
})

test('the pauses between reads grow while the log has a gap after each of them', async () => {
  const at: number[] = []
  const gone = Array.from({ length: 5 }, () => listing(12))
  watching(gone, { readAll: async () => void at.push(performance.now()) })
  await until('it has read five times', () => at.length === 5)
  const pauses = at.slice(1).map((time, n) => time - (at[n] ?? 0))
  for (const [n, leastMs] of [0, 100, 200, 400].entries()) expect(pauses[n]).toBeGreaterThan(leastMs - 10)
})
