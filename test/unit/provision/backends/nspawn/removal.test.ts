import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { parseLab } from '../../../../../provision/lab/definition.ts'
import { loadedWith } from '../../../../fixtures/loaded-with.ts'
import { temporaryFolder } from '../../../../fixtures/temporary-folder.ts'

let records: typeof import('../../../../../provision/backends/nspawn/record.ts')
let removal: typeof import('../../../../../provision/backends/nspawn/removal.ts')
const folder = temporaryFolder(afterAll)

const folders = { MULTIHOST_LAB_RUN: join(folder, 'run'), MULTIHOST_LAB_DISKS: join(folder, 'disks') }
loadedWith(folders, async () => {
  records = await import('../../../../../provision/backends/nspawn/record.ts')
  removal = await import('../../../../../provision/backends/nspawn/removal.ts')
})

const host = '{ "name": "own", "address": "10.9.0.1", "role": "bare" }'
const definition = parseLab(`{ "network": "10.9.0.0/24", "hosts": [${host}] }`, 'mine.json')
const record = { lab: 'tfull', engine: '26', engines: {}, definition, complete: true }

/** Every write to the record's part fails as on a full disk. */
const fillDisk = () => symlinkSync('/dev/full', join(folder, `run/tfull/record.json.part-${process.pid}`))

test('a lab is removed also where the disk of its record is full', async () => {
  records.writeRecord(record)
  mkdirSync(join(folder, 'disks/tfull/own/upper'), { recursive: true })
  writeFileSync(join(folder, 'disks/tfull/own/upper/file'), '')
  fillDisk()
  await removal.removeLab('tfull')
  expect([existsSync(join(folder, 'run/tfull')), existsSync(join(folder, 'disks/tfull'))]).toEqual([
    false,
    false,
  ])
})

test('a full disk leaves the earlier record', () => {
  records.writeRecord(record)
  fillDisk()
  expect(() => records.writeRecord({ ...record, complete: false })).toThrow('ENOSPC')
  expect(records.readRecord('tfull')?.complete).toBe(true)
})
