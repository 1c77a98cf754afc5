import { expect, test } from 'vitest'
import { mounts } from '../../../../provision/process/mounts.ts'

const line = (point: string, options: string) => `36 35 0:30 / ${point} rw - overlay overlay ${options}\n`

test('paths are read as they are, also those with characters that the kernel escapes', () => {
  const text = [
    line('/run/a', 'rw,lowerdir=/cache/root,upperdir=/disks/a/upper'),
    line('/run/a\\040b\\043', 'rw,lowerdir=/a\\040b/root,upperdir=/x\\0751'),
  ].join('')
  expect(mounts(text)).toEqual([
    { point: '/run/a', options: ['rw', 'lowerdir=/cache/root', 'upperdir=/disks/a/upper'] },
    { point: '/run/a b#', options: ['rw', 'lowerdir=/a b/root', 'upperdir=/x=1'] },
  ])
})

test('this process has a root', () => {
  expect(mounts().map(({ point }) => point)).toContain('/')
})
