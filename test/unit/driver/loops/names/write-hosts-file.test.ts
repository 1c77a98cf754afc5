/** Writing a hosts file while others read and write it. */
import { appendFileSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { beforeEach, expect, test } from 'vitest'
import { mergeHostsFile } from '../../../../../driver/core/hosts-file-text.ts'
import type { NameRecord } from '../../../../../driver/core/names.ts'
import { hasRecords, putRecords, stampOf } from '../../../../../driver/loops/names/write-hosts-file.ts'
import { temporaryFolder } from '../../../../fixtures/temporary-folder.ts'
import { until } from '../../../../fixtures/until.ts'

const engine = '127.0.0.1\tlocalhost\n10.0.0.2\t0b194846e7b4\n'
const recordsUpTo = (last: number): NameRecord[] =>
  Array.from({ length: last }, (_, i) => i + 2).flatMap((n) => [
    { ip: `10.0.0.${n}`, name: `c${n}` },
    { ip: `10.0.0.${n}`, name: `c${n}.foobar` },
  ])

let folder: string
let path: string
const text = (): string => readFileSync(path, 'latin1')
beforeEach(() => {
  folder = temporaryFolder()
  path = join(folder, 'hosts')
  writeFileSync(path, engine)
})

test('the file gets records, other ones, fewer, none, and stays the same file', () => {
  const { ino } = statSync(path)
  for (const records of [recordsUpTo(1), recordsUpTo(40), recordsUpTo(3), recordsUpTo(3).slice(2), []]) {
    expect(putRecords(path, records)).toBe('written')
    expect(text()).toBe(mergeHostsFile(engine, records))
  }
  expect(text()).toBe(engine)
  expect(statSync(path).ino).toBe(ino)
})

test('a file that has its records is not touched', () => {
  putRecords(path, recordsUpTo(2))
  const stamp = stampOf(path)
  expect(putRecords(path, recordsUpTo(2))).toBe('unchanged')
  expect(stampOf(path)).toBe(stamp)
})

test('whether a file says what it should is told without a write', () => {
  writeFileSync(path, engine)
  expect([hasRecords(path, []), hasRecords(path, recordsUpTo(3))]).toEqual([true, false])
  putRecords(path, recordsUpTo(3))
  expect([hasRecords(path, recordsUpTo(3)), hasRecords(path, recordsUpTo(2))]).toEqual([true, false])
  expect(hasRecords(`${path}-gone`, [])).toBeUndefined()
})

test('bytes that are no UTF-8 stay what they are', () => {
  const bytes = Buffer.concat([Buffer.from(engine), Buffer.from([0x23, 0xff, 0xfe, 0x80, 0x0a])])
  writeFileSync(path, bytes)
  putRecords(path, recordsUpTo(2))
  putRecords(path, [])
  expect(readFileSync(path).equals(bytes)).toBe(true)
})

test('what is appended between our look and our write is kept, whether the file grows or shrinks', () => {
  for (const records of [recordsUpTo(5), recordsUpTo(1)]) {
    let times = 0
    const beforeWrite = (): void => {
      if (times++ === 0) appendFileSync(path, `10.9.9.${records.length}\tadded\n`)
    }
    expect(putRecords(path, records, { beforeWrite })).toBe('written')
    expect(text()).toContain(`10.9.9.${records.length}\tadded\n`)
    expect(mergeHostsFile(text(), records)).toBe(text())
  }
})

test('a writer that is always faster is given way to', () => {
  const beforeWrite = (): void => appendFileSync(path, '10.9.9.9\tadded\n')
  expect(putRecords(path, recordsUpTo(1), { beforeWrite })).toBe('unsettled')
  expect(text().match(/10\.9\.9\.9/g)).toHaveLength(5)
  expect(putRecords(path, recordsUpTo(1))).toBe('written')
  expect(text()).not.toContain('#\t')
})

test('another writer is about to fill an empty file, unless it stays so', () => {
  writeFileSync(path, '')
  expect(putRecords(path, recordsUpTo(1))).toBe('unsettled')
  expect(text()).toBe('')
  expect(putRecords(path, recordsUpTo(1), { evenIfEmpty: true })).toBe('written')
})

test('a file that is gone is gone, a link is not followed, a huge one not read', () => {
  expect(putRecords(join(folder, 'none', 'hosts'), [])).toBe('gone')
  expect(stampOf(join(folder, 'none'))).toBeUndefined()
  symlinkSync(path, join(folder, 'link'))
  expect(() => putRecords(join(folder, 'link'), recordsUpTo(1))).toThrow(/ELOOP/)
  writeFileSync(path, 'x'.repeat((1 << 20) + 1))
  expect(() => putRecords(path, recordsUpTo(1))).toThrow(/has 1048577 bytes/)
})

test('while the file grows, no line that another process appends is lost, and every read has the engine’s lines', async () => {
  const appender = new Worker(
    `const { appendFileSync } = require('node:fs')
     const { workerData: path } = require('node:worker_threads')
     for (let i = 0; i < 100; i++) appendFileSync(path, '10.1.0.' + i + '\\tadded' + i + '\\n')`,
    { eval: true, workerData: path },
  )
  const reader = new Worker(
    `const { openSync, readSync } = require('node:fs')
     const { parentPort, workerData: path } = require('node:worker_threads')
     const fd = openSync(path)
     const bytes = Buffer.alloc(65536)
     let go = true
     parentPort.on('message', () => { go = false })
     const starts = new Set()
     const look = () => {
       readSync(fd, bytes, 0, bytes.length, 0)
       starts.add(bytes.toString('latin1', 0, ${engine.length}))
       if (go) setImmediate(look)
       else parentPort.postMessage([...starts])
     }
     look()`,
    { eval: true, workerData: path },
  )
  const starts = new Promise((resolve) => reader.once('message', resolve))
  let over = false
  appender.once('exit', () => {
    over = true
  })
  let last = 0
  await until('all lines are appended', () => {
    for (let i = 0; i < 10; i++) putRecords(path, recordsUpTo(++last))
    return over
  })
  reader.postMessage('stop')
  expect(await starts).toEqual([engine])
  await reader.terminate()
  for (let i = 0; i < 100; i++) expect(text()).toContain(`10.1.0.${i}\tadded${i}\n`)
  putRecords(path, recordsUpTo(last))
  expect(mergeHostsFile(text(), recordsUpTo(last))).toBe(text())
})

test('a file whose records are too long for it is left as it is, each time', () => {
  putRecords(path, recordsUpTo(1))
  const before = text()
  const endpoints = Array.from({ length: 10_000 }, (_, n) => `c${n}-of-a-name-that-is-longer-than-others`)
  const many = endpoints.flatMap((name, n) =>
    [name, `${name}.foobar`].map((it) => ({ ip: `10.1.${n >> 8}.${n & 255}`, name: it })),
  )
  for (let times = 0; times < 2; times++) {
    expect(() => putRecords(path, many)).toThrow(/would be too long with its names; .* up to 1048576/)
    expect(text()).toBe(before)
  }
  expect(putRecords(path, recordsUpTo(3))).toBe('written')
})

test('a file becomes as long as the limit, and not a byte longer', () => {
  const room = (1 << 20) - mergeHostsFile(engine, recordsUpTo(1)).length
  for (const [bytes, outcome] of [
    [room, 'written'],
    [room - 1, 'written'],
    [room + 1, undefined],
  ] as const) {
    const own = `#${'x'.repeat(bytes - 2)}\n`
    writeFileSync(path, own + engine)
    if (outcome === undefined) expect(() => putRecords(path, recordsUpTo(1))).toThrow(/would be too long/)
    else expect(putRecords(path, recordsUpTo(1))).toBe(outcome)
    expect(text()).toBe(outcome === undefined ? own + engine : mergeHostsFile(own + engine, recordsUpTo(1)))
  }
})

test('a file without room for the step between the old and the new text is left as it is', () => {
  const wanted = recordsUpTo(1)
  const shorter = [{ ip: '10.0.0.2', name: 'c' }, ...wanted.slice(1)]
  const own = `#${'x'.repeat((1 << 20) - mergeHostsFile(engine, wanted).length - 2)}\n`
  writeFileSync(path, mergeHostsFile(own + engine, shorter))
  const before = text()
  expect(() => putRecords(path, wanted)).toThrow(/bytes/)
  expect(text()).toBe(before)
})
