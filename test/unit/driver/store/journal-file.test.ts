import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test, vi } from 'vitest'
import { DriverError } from '../../../../driver/core/errors.ts'
import { silentLog } from '../../../../driver/log.ts'
import { journalFile, openJournalFile } from '../../../../driver/store/journal-file.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

let folder: string
let path: string
beforeEach(async () => {
  folder = temporaryFolder()
  path = join(folder, 'journal.json')
})

const at = new Date().toISOString()
const written = {
  format: 1,
  entries: [{ key: 'a/1', at, asked: ['10.9.0.2'] }],
  returned: { 'a/10.9.0.3': at },
  removing: ['b'],
  starting: ['d'],
}
const odd = { key: 'a/2', at, asked: [], value: { network: 'a', id: '2', container: { name: '' } } }

test('the file has the format that other versions of the driver read and write', async () => {
  await writeFile(path, JSON.stringify(written))
  const { endpoints, returnedLeases, removedNetworks, begunStarts } = await openJournalFile(path, silentLog)
  expect(endpoints.earlier).toEqual([{ ...written.entries[0], value: undefined }])
  expect(returnedLeases.earlier).toEqual(['a/10.9.0.3'])
  expect([removedNetworks.all(), begunStarts.all()]).toEqual([['b'], ['d']])
  await removedNetworks.add('c')
  expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ ...written, removing: ['b', 'c'] })
})

test('each part is written with the others', async () => {
  const { endpoints, returnedLeases, removedNetworks } = await openJournalFile(path, silentLog)
  const entry = { key: 'a/2', value: undefined, at, asked: [] }
  await Promise.all([
    endpoints.save(() => [entry]),
    returnedLeases.add(['a/10.9.0.4']),
    removedNetworks.add('c'),
  ])
  removedNetworks.done('c')
  await returnedLeases.add([])
  const next = await openJournalFile(path, silentLog)
  expect(next.endpoints.earlier).toEqual([entry])
  expect(next.returnedLeases.earlier).toEqual(['a/10.9.0.4'])
  expect(next.removedNetworks.all()).toEqual([])
})

test('a file of the first version knows no removed networks and no begun starts', async () => {
  const { removing: _, starting: __, ...first } = written
  await writeFile(path, JSON.stringify(first))
  const { removedNetworks, begunStarts } = await openJournalFile(path, silentLog)
  expect([removedNetworks.all(), begunStarts.all()]).toEqual([[], []])
})

test('an entry that cannot be read is left out, the others stay', async () => {
  const [entry] = written.entries
  await writeFile(path, JSON.stringify({ ...written, entries: [odd, entry] }))
  const { endpoints, returnedLeases } = await openJournalFile(path, silentLog)
  expect(endpoints.earlier).toEqual([{ ...entry, value: undefined }])
  expect(returnedLeases.earlier).toEqual(['a/10.9.0.3'])
})

test.each([
  ['a file that is cut off', JSON.stringify(written).slice(0, -9)],
  ['a file of a later format', JSON.stringify({ ...written, format: 2 })],
  ['a file with an entry that cannot be read', JSON.stringify({ ...written, entries: [odd] })],
])('%s is kept beside the journal: the next write does not take what a person can read', async (_, text) => {
  await writeFile(path, text)
  const { removedNetworks } = await openJournalFile(path, silentLog)
  await removedNetworks.add('c')
  expect(await readFile(`${path}.unreadable`, 'utf8')).toBe(text)
})

test('a journal that can be read leaves nothing beside it', async () => {
  await writeFile(path, JSON.stringify(written))
  await openJournalFile(path, silentLog)
  expect(await readdir(folder)).toEqual(['journal.json'])
})

test('a journal that cannot be written is told with file, reason and remedy until it is written', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    let isFull = true
    const written: string[][] = []
    const file = journalFile(async ({ removing }) => {
      if (isFull)
        throw new DriverError('kernel', 'journal.json cannot be written: ENOSPC', { hint: 'make room' })
      written.push([...removing])
    }, silentLog)
    await expect(file.removedNetworks.add('a')).rejects.toThrow('ENOSPC')
    expect(file.failure()).toBe('journal.json cannot be written: ENOSPC; make room')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(file.failure()).toBeDefined()
    isFull = false
    await vi.advanceTimersByTimeAsync(60_000)
    expect([file.failure(), written]).toEqual([undefined, [['a']]])
    isFull = true
    await expect(file.removedNetworks.add('b')).rejects.toThrow('ENOSPC')
    file.close()
    isFull = false
    await vi.advanceTimersByTimeAsync(60_000)
    expect(written).toEqual([['a']])
  } finally {
    vi.useRealTimers()
  }
})
