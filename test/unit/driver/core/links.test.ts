/** `--link TARGET:ALIAS`: what moby's Sandbox.ResolveName answers. */
import { describe, expect, test } from 'vitest'
import { linkedRecords, linkedZones } from '../../../../driver/core/links.ts'
import type { NameRecord, Zone } from '../../../../driver/core/names.ts'

const records = (text: string): NameRecord[] =>
  text
    .split(', ')
    .filter((it) => it !== '')
    .map((it) => ({ ip: it.split(' ')[0] ?? '', name: it.split(' ')[1] ?? '' }))
const show = (all: readonly NameRecord[]): string => all.map(({ ip, name }) => `${ip} ${name}`).join(', ')

const addressesIn = (all: readonly NameRecord[], name: string): string[] =>
  all.filter((it) => it.name === name).map(({ ip }) => ip)

type Link = [target: string, alias: string]
const network = (domain: string, known: string, ...links: Link[]) => ({
  domain,
  known: records(known),
  records: records(known),
  addressesOf: (name: string) => addressesIn(records(known), name),
  links: links.map(([target, alias]) => ({ endpoint: 'e1', target, alias })),
})
const linesOf = (...networks: ReturnType<typeof network>[]): string => show(linkedRecords(networks))

const zone = ({ domain, known }: ReturnType<typeof network>): Zone => ({
  domain,
  pools: [],
  addressesOf: (name) => addressesIn(known, name),
  nameAt: () => undefined,
})
const answersTo = (name: string, ...networks: ReturnType<typeof network>[]): string[][] =>
  linkedZones(networks.map((it) => ({ zone: zone(it), links: it.links }))).map((it) => it.addressesOf(name))

const pgAndDb = '1 pg, 1 pg.aa, 2 db, 2 db.aa'

describe('an alias', () => {
  test('is tried before a container of that name, with and without the network', () => {
    const aa = network('aa', pgAndDb, ['pg', 'db'])
    expect(linesOf(aa)).toBe('1 pg, 1 pg.aa, 1 db, 1 db.aa')
    for (const name of ['db', 'db.aa']) expect(answersTo(name, aa)).toEqual([['1']])
    expect(answersTo('pg', aa)).toEqual([['1']])
  })

  test('hides a container of that name also while its target is away', () => {
    const aa = network('aa', '2 db, 2 db.aa', ['pg', 'db'])
    expect(linesOf(aa)).toBe('')
    for (const name of ['db', 'db.aa']) expect(answersTo(name, aa)).toEqual([[]])
  })

  test('comes before the names of all networks, and leaves them while its target is away', () => {
    const zz = network('zz', '9 db, 9 db.zz')
    const aa = network('aa', '1 pg, 1 pg.aa', ['pg', 'db'])
    expect(linesOf(zz, aa)).toBe('9 db.zz, 1 pg, 1 pg.aa, 1 db, 1 db.aa')
    expect(answersTo('db', zz, aa)).toEqual([[], ['1']])
    expect(answersTo('db.zz', zz, aa)).toEqual([['9'], []])
    const without = network('aa', '', ['pg', 'db'])
    expect(linesOf(zz, without)).toBe('9 db, 9 db.zz')
    expect(answersTo('db', zz, without)).toEqual([['9'], []])
  })

  test('of two networks is that of the first whose target is there', () => {
    const both = [network('aa', '1 pg', ['pg', 'db']), network('zz', '9 my', ['my', 'db'])] as const
    expect(linesOf(...both)).toBe('1 pg, 1 db, 1 db.aa, 9 my, 9 db.zz')
    expect(answersTo('db', ...both)).toEqual([['1'], []])
    expect(answersTo('db.zz', ...both)).toEqual([[], ['9']])
  })

  test('given twice is the last one’s', () => {
    const aa = network('aa', '1 a, 2 b', ['a', 'db'], ['b', 'db'])
    expect(linesOf(aa)).toBe('1 a, 2 b, 2 db, 2 db.aa')
    expect(answersTo('db', aa)).toEqual([['2']])
  })

  test('that is the target’s own name, or another case of it, changes nothing', () => {
    const aa = network('aa', '1 pg, 1 pg.aa', ['pg', 'pg'])
    expect(linesOf(aa)).toBe('1 pg, 1 pg.aa')
    expect(answersTo('pg', aa)).toEqual([['1']])
  })

  test('that would be another name in a hosts file is left out', () => {
    expect(linesOf(network('aa', '1 pg', ['pg', 'localhost'], ['pg', 'two words']))).toBe('1 pg')
  })
})
