import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { shellQuote } from '../../../../provision/process/quote.ts'
import { commandLine } from '../../../../scenarios/kit/host.ts'

const line = (pieces: TemplateStringsArray, ...words: (string | number | string[])[]) =>
  commandLine(pieces, words)

test('text stays as it is, a value is one word, a list is several', () => {
  expect(line`docker run -e ${'A=b c'} -p ${80} ${['x', "it's"]} | wc -l`).toBe(
    `docker run -e 'A=b c' -p 80 x 'it'\\''s' | wc -l`,
  )
})

test('a quoted word comes out of a shell as it went in, for any characters', () => {
  // Not fast-check's unit 'binary', which spends a second on a table of all characters to shrink by.
  const character = fc
    .integer({ min: 1, max: 0x10ffff })
    .filter((code) => code < 0xd800 || code > 0xdfff)
    .map((code) => String.fromCodePoint(code))
  const word = fc.string({ unit: character, maxLength: 40 })
  fc.assert(
    fc.property(fc.array(word, { minLength: 50, maxLength: 100 }), (words) => {
      const out = execFileSync('sh', ['-c', `printf '%s\\0' ${words.map(shellQuote).join(' ')}`])
      expect(out).toEqual(Buffer.concat(words.map((each) => Buffer.from(`${each}\0`))))
    }),
    { numRuns: 10 },
  )
})
