/**
 * Finds the heading of the walkthrough above a line.
 */

/** Line from 1 → the text of the heading above it. */
export type Headings = (line: number) => string | undefined

export function headingsOf(page: string): Headings {
  const lines = page.split('\n')
  const fenced = lines.map(
    (_, i) => lines.slice(0, i).filter((line) => /^\s*```/.test(line)).length % 2 === 1,
  )
  return (line) => {
    const above = lines.slice(0, line).findLastIndex((text, i) => /^#+ /.test(text) && !fenced[i])
    return lines[above]?.replace(/^#+ /, '')
  }
}
