import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { recipeHash } from '../../acceptance/cache.ts'

const folder = mkdtempSync(join(tmpdir(), 'multihost-kept-'))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('a file anywhere below a folder of the recipe, and a word, make another hash', () => {
  const file = join(folder, 'steps/docker.ts')
  mkdirSync(join(folder, 'steps'), { recursive: true })
  writeFileSync(file, 'one')
  const before = recipeHash([folder], ['base'])
  expect(recipeHash([folder], ['base'])).toBe(before)
  expect(recipeHash([folder], ['other'])).not.toBe(before)
  writeFileSync(file, 'two')
  expect(recipeHash([folder], ['base'])).not.toBe(before)
})
