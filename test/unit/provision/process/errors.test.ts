import { mkdir } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { explain, LabError } from '../../../../provision/process/errors.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

test('what the system refuses is one clear line and no frames', async () => {
  const folder = temporaryFolder()
  const refused = await mkdir(folder).catch((error: unknown) => error)
  expect(explain(refused)).toBe(`EEXIST: file already exists, mkdir '${folder}'`)
})

test('a full disk says what to do', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
    code: 'ENOSPC',
    syscall: 'write',
  })
  expect(explain(full)).toBe(
    'ENOSPC: no space left on device, write\n  the disk is full: make room, then run it again',
  )
})

test('the same words from several hosts are said once', () => {
  const same = () => new LabError('the mirror does not answer', { hint: 'wait' })
  expect(explain(new AggregateError([same(), same()]))).toBe('the mirror does not answer\n  wait')
})
