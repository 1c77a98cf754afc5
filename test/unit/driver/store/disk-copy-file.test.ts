/** The copy on disk: what it costs, and that it says what the snapshot said. */
import { appendFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test, vi } from 'vitest'
import type { Snapshot } from '../../../../driver/core/records.ts'
import { type AnyDelta, applyDeltas, emptySnapshot } from '../../../../driver/core/snapshot.ts'
import { openDiskCopy } from '../../../../driver/store/disk-copy.ts'
import { createSaver, openDiskCopyFile, readDiskCopyFile } from '../../../../driver/store/disk-copy-file.ts'
import { readableLog } from '../../../fixtures/log.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const store = 'consul://127.0.0.1:8500/multihost'
const folder = temporaryFolder(afterAll)
let path: string
let count = 0

const fresh = () => {
  path = join(folder, `copy-${++count}`)
  return openDiskCopyFile(path, store)
}
const put = (key: number, value: string | undefined, index = 7): AnyDelta => ({
  ...{ table: 'vnis', key: String(key) },
  record: value === undefined ? undefined : { value, index },
})
const full = (size: number): Snapshot =>
  applyDeltas(
    emptySnapshot(),
    Array.from({ length: size }, (_, i) => put(i, 'n1')),
  )
const lengthOf = async (): Promise<number> => (await stat(path)).size
const load = async () => [...((await readDiskCopyFile(path, store))?.snapshot.vnis ?? [])].sort()

test('a change costs as many bytes beside two thousand records as beside a hundred', async () => {
  const costOf = async (size: number): Promise<number> => {
    const copy = fresh()
    const before = full(size)
    await copy.save(before, [])
    const length = await lengthOf()
    await copy.save(applyDeltas(before, [put(0, 'n2')]), [put(0, 'n2')])
    return (await lengthOf()) - length
  }
  expect([await costOf(100), await costOf(2000)]).toEqual([20, 20])
})

test('a load gives what was saved', async () => {
  const change = fc.tuple(fc.nat(5), fc.option(fc.constantFrom('na', 'nb'), { nil: undefined }))
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(change, { maxLength: 3 }), { maxLength: 6 }), async (saves) => {
      const copy = fresh()
      let snapshot = emptySnapshot()
      for (const changes of saves) {
        const deltas = changes.map(([key, value]) => put(key, value))
        snapshot = applyDeltas(snapshot, deltas)
        await copy.save(snapshot, deltas)
      }
      expect(await load()).toEqual([...snapshot.vnis].sort())
    }),
    { numRuns: 50 },
  )
})

test('a file that is mostly out of date is written anew', async () => {
  const copy = fresh()
  const sizes: number[] = []
  let snapshot = full(10)
  for (let i = 0; i < 3000; i++) {
    snapshot = applyDeltas(snapshot, [put(1, `n${i}`)])
    await copy.save(snapshot, [put(1, undefined)])
    sizes.push(await lengthOf())
  }
  expect(Math.max(...sizes)).toBeLessThan(1100 * 30)
  expect(await load()).toEqual([...snapshot.vnis].sort())
})

test('a line that was not written to its end is left out, and the next driver begins anew', async () => {
  const copy = fresh()
  await copy.save(full(2), [])
  await appendFile(path, '["vnis","0",9,"n')
  expect((await load()).map(([key, record]) => [key, record?.index])).toEqual([
    ['0', 7],
    ['1', 7],
  ])
  await openDiskCopyFile(path, store).save(full(3), [])
  expect((await load()).length).toBe(3)
  expect(await readFile(path, 'utf8')).not.toContain('"n\n')
})

test('a copy that was removed by hand is not begun in its middle', async () => {
  const copy = fresh()
  await copy.save(full(2), [])
  await rm(path)
  await expect(copy.save(full(3), [put(2, 'n1')])).rejects.toThrow('ENOENT')
  await copy.save(full(3), [])
  expect((await load()).length).toBe(3)
})

describe('a copy with damage', () => {
  const cluster = { id: 'c1', restored: 'r1' }
  const position = { cluster, segment: 4, entry: 'changes/4/9' }
  /** Saves records 0 to 4 and the position, and changes the file's lines. */
  const damaged = async (change: (lines: string[]) => string[]) => {
    await fresh().save(full(5), [], position)
    const lines = (await readFile(path, 'utf8')).split('\n')
    await writeFile(path, change(lines).join('\n'))
    return readDiskCopyFile(path, store)
  }
  const nul = (line: string): string => '\0'.repeat(line.length)
  const keys = (copy: Awaited<ReturnType<typeof damaged>>) => [...(copy?.snapshot.vnis.keys() ?? [])].sort()

  test('keeps every record whose line can be read, and the position', async () => {
    const copy = await damaged((lines) =>
      lines.map((line) => (line.startsWith('["vnis","2"') ? nul(line) : line)),
    )
    expect(keys(copy)).toEqual(['0', '1', '3', '4'])
    expect(copy).toMatchObject({ position, unreadable: 1 })
  })

  test('keeps the position of before when the line of the last one is damaged', async () => {
    const later = `${JSON.stringify({ cluster, segment: 5 })}\n`
    const copy = await damaged((lines) => [...lines.slice(0, -1), nul(later), ''])
    expect(copy).toMatchObject({ position, unreadable: 1 })
    const cut = await damaged((lines) => [...lines.slice(0, -1), later.slice(0, 20), ''])
    expect(cut).toMatchObject({ position, unreadable: 1 })
  })

  test('is of the cluster that its position names when the first line cannot be read', async () => {
    const copy = await damaged(([head = '', ...lines]) => [nul(head), ...lines])
    expect(keys(copy)).toHaveLength(5)
    expect(copy).toMatchObject({ position, unreadable: 1 })
    const nothing = await damaged((lines) => lines.map(nul))
    expect(nothing).toMatchObject({ position: { segment: 0 }, unreadable: 7 })
  })

  test('is named once, with the number of its lines', async () => {
    const { log, entries } = readableLog()
    await damaged((lines) => lines.map((line) => (line.startsWith('["vnis"') ? nul(line) : line)))
    const copy = await openDiskCopy({ diskPath: path }, store, log)
    expect(copy).toMatchObject({ position, isDamaged: true })
    expect(entries.map(({ level, fields }) => [level, fields.unreadable])).toEqual([['warn', 5]])
  })
})

test('a copy that cannot be written is told with file and reason until it is written', async () => {
  fresh()
  const { log, entries } = readableLog()
  const copy = await openDiskCopy({ diskPath: path, saveEveryMs: 0 }, store, log)
  const change = async (key: number): Promise<void> => {
    copy.update(full(key + 1), [{ table: 'vnis', key: String(key) }])
    await copy.flush()
  }
  await mkdir(`${path}.new`)
  await change(0)
  await change(1)
  expect(copy.failure()).toBe(`${path} cannot be written: EISDIR: illegal operation on a directory`)
  expect(entries).toHaveLength(1)
  await rm(`${path}.new`, { recursive: true })
  await change(2)
  expect(copy.failure()).toBeUndefined()
  expect((await readDiskCopyFile(path, store))?.snapshot.vnis.size).toBe(3)
})

test('a save that failed is repeated without a change, and not after the last flush', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const outcomes: string[] = []
    let isFull = true
    const told = (error?: unknown) => void outcomes.push(error === undefined ? 'saved' : 'failed')
    const saver = createSaver({ everyMs: 10, againMs: 100, told }, async () => {
      if (isFull) throw new Error('ENOSPC')
    })
    saver.touch()
    await vi.advanceTimersByTimeAsync(150)
    expect(outcomes).toEqual(['failed', 'failed'])
    isFull = false
    await vi.advanceTimersByTimeAsync(1000)
    expect(outcomes).toEqual(['failed', 'failed', 'saved'])
    isFull = true
    saver.touch()
    await saver.flush()
    await vi.advanceTimersByTimeAsync(1000)
    expect(outcomes).toEqual(['failed', 'failed', 'saved', 'failed'])
  } finally {
    vi.useRealTimers()
  }
})
