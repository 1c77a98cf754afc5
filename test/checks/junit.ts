/**
 * Counts the tests of a JUnit file. Vitest and the scenarios' report write `<testcase>` elements with at most one
 * `<failure>`, `<error>` or `<skipped>` each; the text inside them has its `<` escaped.
 */
export type Counts = { passed: number; failed: number; skipped: number }

export function countsOf(xml: string): Counts {
  const cases = xml.split('<testcase ').slice(1)
  const failed = cases.filter((text) => text.includes('<failure') || text.includes('<error')).length
  const skipped = cases.filter((text) => text.includes('<skipped')).length
  return { passed: cases.length - failed - skipped, failed, skipped }
}

export function sum(counts: readonly Counts[]): Counts {
  const total = (key: keyof Counts): number => counts.reduce((all, each) => all + each[key], 0)
  return { passed: total('passed'), failed: total('failed'), skipped: total('skipped') }
}
