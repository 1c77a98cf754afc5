/** The text of a hosts file: our block, and the foreign lines. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mergeHostsFile, padding } from '../../../../driver/core/hosts-file-text.ts'
import type { NameRecord } from '../../../../driver/core/names.ts'

const engine = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.2\t0b194846e7b4\n'
const pair = (ip: string, name: string, network = 'foobar'): NameRecord[] => [
  { ip, name },
  { ip, name: `${name}.${network}` },
]
const records = [...pair('10.0.0.2', 'distracted_bohr'), ...pair('10.0.0.3', 'modest_curie')]
const merged = mergeHostsFile(engine, records)

test('the records follow the engine’s lines, in a block', () => {
  expect(merged).toMatchInlineSnapshot(`
    "127.0.0.1	localhost
    ::1	localhost ip6-localhost ip6-loopback
    10.0.0.2	0b194846e7b4
    # multihost: begin
    10.0.0.2	distracted_bohr
    10.0.0.2	distracted_bohr.foobar
    10.0.0.3	modest_curie
    10.0.0.3	modest_curie.foobar
    # multihost: end
    "
  `)
})

test('a second merge changes nothing', () => {
  expect(mergeHostsFile(merged, records)).toBe(merged)
})

test('without records the file is the engine’s again', () => {
  expect(mergeHostsFile(merged, [])).toBe(engine)
  expect(mergeHostsFile(engine, [])).toBe(engine)
})

test('lines before and behind the block stay where they are', () => {
  const edited = `# mine\n${merged}1.2.3.4 added # by a program\n\n9.9.9.9\tlast`
  const expected = `# mine\n${mergeHostsFile(engine, records.slice(2))}1.2.3.4 added # by a program\n\n9.9.9.9\tlast`
  expect(mergeHostsFile(edited, records.slice(2))).toBe(expected)
})

test('a last line without its line feed is ended first', () => {
  expect(mergeHostsFile('1.2.3.4 mine', pair('10.0.0.2', 'web'))).toContain(
    '1.2.3.4 mine\n# multihost: begin\n',
  )
})

describe('a name that another line has is that line’s alone', () => {
  const six = { ip: 'fd00::3', name: 'db' }

  test.each([
    ['of --add-host', `${engine}1.2.3.4\tdb\n`],
    ['of another case, beside others', `${engine}1.2.3.4   other DB # mine\n`],
    ['of the other family', `${engine}fd00::99\tdb\n`],
    ['the container’s own hostname', `${engine}10.0.0.2\tdb\n`],
  ])('%s', (_, text) => {
    const next = mergeHostsFile(text, [...pair('10.0.0.3', 'db'), six])
    expect(next).toBe(
      `${text}# multihost: begin\n#10.0.0.3\tdb\n10.0.0.3\tdb.foobar\n#fd00::3\tdb\n# multihost: end\n`,
    )
    expect(mergeHostsFile(next, [])).toBe(text)
  })

  test('a comment is no line', () => {
    expect(mergeHostsFile(`${engine}#1.2.3.4 db\n`, pair('10.0.0.3', 'db'))).toContain('\n10.0.0.3\tdb\n')
  })

  test('and ours again when the line goes', () => {
    const text = mergeHostsFile(`${engine}1.2.3.4\tdb\n`, pair('10.0.0.3', 'db'))
    const next = mergeHostsFile(text.replace('1.2.3.4\tdb\n', ''), pair('10.0.0.3', 'db'))
    expect(next).toBe(mergeHostsFile(engine, pair('10.0.0.3', 'db')))
  })

  test('a block that lost its begin is recognised all the same', () => {
    const text = mergeHostsFile(`${engine}1.2.3.4\tdb\n`, pair('10.0.0.3', 'db'))
    expect(mergeHostsFile(text.replace('# multihost: begin\n', ''), [])).toBe(`${engine}1.2.3.4\tdb\n`)
  })
})

describe('a hidden name', () => {
  const hidden = pair('10.0.0.3', 'db').map((it) =>
    it.name === 'db' ? { ...it, hidden: true as const } : it,
  )
  const text = mergeHostsFile(engine, hidden)

  test('is a comment, and a line when it is not hidden any more', () => {
    expect(text).toBe(`${engine}# multihost: begin\n#10.0.0.3\tdb\n10.0.0.3\tdb.foobar\n# multihost: end\n`)
    expect(mergeHostsFile(text, pair('10.0.0.3', 'db'))).toBe(mergeHostsFile(engine, pair('10.0.0.3', 'db')))
  })

  test('stays hidden while lines are kept that the records do not have', () => {
    expect(mergeHostsFile(text, [], true)).toBe(text)
    expect(mergeHostsFile(text, pair('10.0.0.3', 'db'), true)).toContain('\n10.0.0.3\tdb\n')
  })
})

describe('a name with capitals', () => {
  const text = mergeHostsFile(engine, pair('10.0.0.3', 'Web', 'MyNet'))

  test('stands with its lower-case form on one line, which glibc takes for one address', () => {
    expect(text).toBe(
      `${engine}# multihost: begin\n10.0.0.3\tWeb web\n10.0.0.3\tWeb.MyNet web.mynet\n# multihost: end\n`,
    )
    expect(mergeHostsFile(text, pair('10.0.0.3', 'Web', 'MyNet'))).toBe(text)
    expect(mergeHostsFile(text, [], true)).toBe(text)
  })

  test.each(['# multihost: begin\n', '# multihost: end\n'])('is recognised in a block without %j', (mark) => {
    const next = `${text.replace(mark, '')}1.2.3.4\tMine mine\n`
    expect(mergeHostsFile(next, [])).toBe(`${engine}1.2.3.4\tMine mine\n`)
  })

  test('belongs to another line that has it in lower case', () => {
    const next = mergeHostsFile(`${engine}1.2.3.4\tweb\n`, pair('10.0.0.3', 'Web'))
    expect(next).toContain('\n#10.0.0.3\tWeb web\n10.0.0.3\tWeb.foobar web.foobar\n')
  })
})

describe('a block that was cut in half is repaired', () => {
  const now = pair('10.0.0.9', 'new')
  const added = '10.0.0.7\t0a1b2c3d4e5f\n1.2.3.4\tmine mine.example\n'
  const whole = `${mergeHostsFile(engine, records)}${added}`
  const wanted = `${mergeHostsFile(engine, now)}${added}`

  test.each([
    ['its end is gone', whole.replace('# multihost: end\n', '')],
    ['it stands there twice', whole.replace(added, `${mergeHostsFile('', records)}${added}`)],
    [
      'the second one has no end',
      whole
        .replace(added, `${mergeHostsFile('', records)}${added}`)
        .replace(/# multihost: end\n(?!.*# multihost: end)/s, ''),
    ],
    [
      'a cut one is before a whole one',
      `${engine}# multihost: begin\n10.0.0.3\tx\n10.0.0.3\tx.foobar\n${mergeHostsFile('', records)}${added}`,
    ],
    ['an end is left over', whole.replace(added, `# multihost: end\n${added}`)],
  ])('%s', (_, text) => {
    expect(mergeHostsFile(text, now)).toBe(wanted)
  })

  test('its begin is gone', () => {
    expect(mergeHostsFile(whole.replace('# multihost: begin\n', ''), now)).toBe(wanted)
  })
})

test.each([0, 1, 2, 3, 4, 5, 100])(
  'a padding of %i bytes has that length, and does not outlive a merge',
  (bytes) => {
    expect(padding(bytes)).toHaveLength(bytes)
    if (bytes > 3) expect(mergeHostsFile(merged + padding(bytes), records)).toBe(merged)
  },
)

const word = fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/)
const ip = fc.tuple(fc.nat(255), fc.nat(255)).map(([a, b]) => `10.0.${a}.${b}`)
const someRecords = fc
  .array(fc.tuple(ip, word), { maxLength: 6 })
  .map((all) => all.flatMap(([at, name]) => pair(at, name)))
/** The foreign lines of a hosts file: lines of two names or more, comments, blanks, anything. */
const foreign = fc
  .array(
    fc.oneof(
      fc.tuple(ip, word, word).map(([at, a, b]) => `${at}\t${a}.mine ${b}.mine`),
      fc.constantFrom('', '# comment', '127.0.0.1\tlocalhost', '\t', '#\t'),
      fc.string({ maxLength: 12 }).filter((text) => !/\n|multihost|^#\t/.test(text)),
    ),
    { maxLength: 8 },
  )
  .map((all) => all.map((line) => `${line}\n`).join(''))

test('foreign lines stay byte for byte, for every block before and after', () => {
  fc.assert(
    fc.property(foreign, foreign, someRecords, someRecords, (before, after, old, now) => {
      const text = mergeHostsFile(before, old) + after
      const next = mergeHostsFile(text, now)
      expect(mergeHostsFile(next, now)).toBe(next)
      expect(mergeHostsFile(next, [])).toBe(before + after)
      const block = now.length === 0 ? '' : mergeHostsFile('', now)
      const expected = old.length === 0 ? before + after + block : before + block + after
      expect(next).toBe(expected)
    }),
  )
})

test('a block that lost any one line is whole after a merge, and nothing foreign is lost with it', () => {
  fc.assert(
    fc.property(foreign, foreign, someRecords, someRecords, fc.nat(), (before, after, old, now, cut) => {
      fc.pre(old.length > 0 && now.length > 0)
      const block = mergeHostsFile('', old).split('\n').slice(0, -1)
      block.splice(cut % 2 === 0 ? 0 : block.length - 1, 1)
      const next = mergeHostsFile(`${before}${block.map((line) => `${line}\n`).join('')}${after}`, now)
      expect(next).toBe(before + mergeHostsFile('', now) + after)
    }),
  )
})

test('any text is merged without an error, and a second time without a change', () => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom('\n', '#', '\t', 'a', '.', '1', '# multihost: begin\n', '# multihost: end\n'),
      }),
      someRecords,
      (text, now) => {
        const next = mergeHostsFile(text, now)
        expect(mergeHostsFile(next, now)).toBe(next)
      },
    ),
  )
})
