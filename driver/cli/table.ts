/**
 * Text tables for a terminal.
 */

/**
 * Columns as docker prints them: as wide as their widest cell, with three blanks between. `leastWidth`
 * includes the blanks.
 */
export function table(rows: readonly (readonly string[])[], leastWidth = 0): string {
  return padded(rows, leastWidth - 3)
    .map((cells) => cells.join('   ').trimEnd())
    .join('\n')
}

/** A table that is also Markdown, to be pasted into a page. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const [first = [], ...others] = padded([header, ...rows], 3)
  const rule = first.map((cell) => '-'.repeat(cell.length))
  return [first, rule, ...others].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** Each cell padded to its column's width. A row may be shorter than the first. */
function padded(rows: readonly (readonly string[])[], leastWidth: number): string[][] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(leastWidth, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  return rows.map((row) => widths.map((width, column) => (row[column] ?? '').padEnd(width)))
}
