import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { contentsOf, recipeHash } from '../../../../provision/images/cache.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

test('a file anywhere below a folder of the recipe, and a word, make another hash', () => {
  const folder = temporaryFolder()
  const file = join(folder, 'steps/docker.ts')
  mkdirSync(join(folder, 'steps'))
  writeFileSync(file, 'one')
  const hash = (word: string) => recipeHash([contentsOf(folder), word])
  const before = hash('base')
  expect(hash('base')).toBe(before)
  expect(hash('other')).not.toBe(before)
  writeFileSync(file, 'two')
  expect(hash('base')).not.toBe(before)
})

test('a file alone is a recipe, too', () => {
  const file = join(temporaryFolder(), 'unit')
  writeFileSync(file, 'text')
  expect(contentsOf(file)).toEqual(['text'])
})
