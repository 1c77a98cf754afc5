import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { crashPoints } from '../../../../driver/daemon/crash-points.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = temporaryFolder()
  file = join(folder, 'at')
})

function driver(path: string | undefined = file) {
  const ends: string[] = []
  let last = ''
  const points = crashPoints(path, () => ends.push(last))
  return {
    points,
    ends,
    pass(...names: string[]) {
      for (const point of names) {
        last = point
        points.wrote(point)
      }
    },
  }
}

test('without a file nothing is counted', () => {
  const { pass, ends } = driver()
  pass('a', 'b')
  expect([ends, existsSync(`${file}.log`)]).toEqual([[], false])
})

test('points are counted from 1 since it was armed, and listed', () => {
  const { pass, ends } = driver()
  pass('before')
  writeFileSync(file, '0\n')
  pass('a', 'b')
  expect(ends).toEqual([])
  expect(readFileSync(`${file}.log`, 'utf8')).toBe('1 a\n2 b\n')
})

test('it ends at the point that is named, once, and begins to count anew when it is armed again', () => {
  const { pass, ends } = driver()
  writeFileSync(file, '2\n')
  pass('a', 'b', 'c')
  expect([ends, existsSync(file)]).toEqual([['b'], false])
  writeFileSync(file, '1\n')
  pass('d', 'e')
  expect(ends).toEqual(['b', 'd'])
})

test('an answer is a point of its own when nothing was written since the one before', () => {
  const { points } = driver()
  writeFileSync(file, '0\n')
  points.wrote('store')
  points.answering('first')
  points.answering('second')
  points.wrote('kernel')
  points.answering('third')
  expect(readFileSync(`${file}.log`, 'utf8')).toBe('1 store\n2 second\n3 kernel\n')
})
