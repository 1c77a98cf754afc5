import { expect, test } from 'vitest'
import { wideCommentsOf } from '../../checks/comment-width.ts'

test('names a block above 110 characters and a single line above 118, but none that cannot be shorter', () => {
  const wide = (mark: string, length: number): string => `${mark} word `.padEnd(length, 'x')
  const text = [
    wide(' *', 110),
    wide(' *', 111),
    wide('  //', 118),
    wide('  //', 119),
    wide('/**', 119),
    ` * ${'x'.repeat(130)}`,
    ` * code\` of the line above, ${'x'.repeat(90)} and \`more\``,
    `const code = '${'x '.repeat(60)}'`,
  ].join('\n')
  expect(wideCommentsOf({ path: 'a.ts', text }).map(({ line, width }) => [line, width])).toEqual([
    [2, 111],
    [4, 119],
    [5, 119],
    [7, 129],
  ])
})
