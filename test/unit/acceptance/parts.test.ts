import { expect, test } from 'vitest'
import { partsFrom } from '../../acceptance/parts.ts'
import type { Part } from '../../acceptance/report.ts'

const part = (title: string, prepares?: Part['prepares']): Part => ({
  title,
  usualSeconds: 1,
  run: async () => undefined,
  ...(prepares ? { prepares } : {}),
})

const parts = [
  part('image', 'all'),
  part('libvirt', 'libvirt'),
  part('libvirt: up', 'libvirt'),
  part('libvirt: a look'),
  part('libvirt: another look'),
  part('virtualbox', 'virtualbox'),
  part('virtualbox: up', 'virtualbox'),
  part('virtualbox: a look'),
]

const titles = (from?: string) => partsFrom(parts, from).map(({ title }) => title)

test('a run begins at the first part', () => {
  expect(titles()).toEqual(parts.map(({ title }) => title))
})

test('a run that begins later still prepares the machines of that provider, and no others', () => {
  expect(titles('libvirt: another look')).toEqual([
    'image',
    'libvirt',
    'libvirt: up',
    'libvirt: another look',
    'virtualbox',
    'virtualbox: up',
    'virtualbox: a look',
  ])
  expect(titles('virtualbox: a look')).toEqual([
    'image',
    'virtualbox',
    'virtualbox: up',
    'virtualbox: a look',
  ])
})

test('an unknown part is named with those that exist', () => {
  expect(() => titles('up')).toThrow(/up.*image, libvirt, /)
})
