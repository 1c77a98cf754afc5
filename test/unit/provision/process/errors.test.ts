import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { explain, LabError } from '../../../../provision/process/errors.ts'

test('what the system refuses is one clear line and no frames', () => {
  const folder = mkdtempSync(join(tmpdir(), 'errors-'))
  try {
    expect(() => mkdirSync(folder)).toThrow()
    mkdirSync(folder)
  } catch (error) {
    expect(explain(error)).toBe(`EEXIST: file already exists, mkdir '${folder}'`)
  } finally {
    rmSync(folder, { recursive: true })
  }
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
