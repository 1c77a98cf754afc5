/** Columns as wide as their widest cell, at least `leastWidth` with the gap, three blanks apart, as docker prints them. */
export function table(rows: string[][], leastWidth = 0): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(leastWidth - 3, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const line = (row: string[]): string =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('   ')
      .trimEnd()
  return rows.map(line).join('\n')
}
