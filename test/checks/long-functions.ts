/**
 * Functions longer than the limit, comments and blank lines counted: what does not fit on a screen is not
 * read at once.
 */
import { parseSync, Visitor } from 'oxc-parser'
import type { SourceFile } from './imports.ts'

export const maxLines = 60

export type LongFunction = { path: string; name: string; line: number; lines: number }

export function longFunctions({ path, text }: SourceFile, limit = maxLines): LongFunction[] {
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)]
  const lineAt = (offset: number): number => starts.findLastIndex((start) => start <= offset) + 1
  const found: LongFunction[] = []
  const look = ({ start, end }: { start: number; end: number }, name: string): void => {
    const [line, lines] = [lineAt(start), lineAt(end) - lineAt(start) + 1]
    if (lines > limit) found.push({ path, name, line, lines })
  }
  new Visitor({
    FunctionDeclaration: (node) => look(node, node.id?.name ?? 'default'),
    FunctionExpression: (node) => look(node, node.id?.name ?? 'function'),
    ArrowFunctionExpression: (node) =>
      look(node, text.slice(node.start, node.start + 20).split('\n')[0] ?? ''),
  }).visit(parseSync(path, text).program)
  return found
}
