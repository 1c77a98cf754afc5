import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { copying } from '../../../../provision/images/host-image.ts'

const work = mkdtempSync(join(tmpdir(), 'host image-'))
afterAll(() => rmSync(work, { recursive: true }))

test.each(['a checkout', "a friend's $HOME"])('a folder is copied into the image from %s', (name) => {
  const [from, to] = [join(work, name), join(work, `${name} root`)]
  for (const folder of [from, to]) mkdirSync(folder)
  writeFileSync(join(from, '.file'), '')
  execFileSync('sh', ['-c', copying(from), 'sh', to])
  expect(readdirSync(to)).toEqual(['.file'])
})
