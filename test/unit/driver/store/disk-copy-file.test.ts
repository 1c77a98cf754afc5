/** The copy on disk: what it costs, and that it says what the snapshot said. */
import { appendFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Snapshot } from '../../../../driver/core/records.ts'
import { type AnyDelta, applyDeltas, emptySnapshot } from '../../../../driver/core/snapshot.ts'
import { openDiskCopyFile, readDiskCopyFile } from '../../../../driver/store/disk-copy-file.ts'

const store = 'consul://127.0.0.1:8500/multihost'
let folder: string
let path: string
let count = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'multihost-disk-'))
})
afterAll(() => rm(folder, { recursive: true }))

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
