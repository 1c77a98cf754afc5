/**
 * Comments at the formatter's width, which the formatter leaves alone: a block is filled up to it. A comment
 * of one line may be a little wider, where a block of its own would take three lines.
 */
import type { SourceFile } from './imports.ts'

const blockWidth = 110
const lineWidth = 118

export type WideComment = { path: string; line: number; width: number }

/**
 * A line that holds one word, or one piece of code, cannot be shorter. A backtick behind a word ends code
 * that began on the line before.
 */
export function wideCommentsOf({ path, text }: SourceFile): WideComment[] {
  return text.split('\n').flatMap((line, at) => {
    const [, mark = '', words = ''] = /^\s*(\/\*\*|\*|\/\/)\s+(.*)$/.exec(line) ?? []
    const isWide = line.length > (mark === '*' ? blockWidth : lineWidth)
    const isDivisible = (words.match(/(?:(?<!\w)`[^`]*`|\S)+/g) ?? []).length > 1
    return isWide && isDivisible ? [{ path, line: at + 1, width: line.length }] : []
  })
}
