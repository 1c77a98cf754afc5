/**
 * Writes JUnit XML, the one writer for all our runs.
 *
 * What the readers take: GitLab (lib/gitlab/ci/parsers/test/junit.rb) takes `file`, the failure's text and
 * the first `[[ATTACHMENT|path]]` of system-out, a path from the project's root; mikepenz/action-junit-report
 * takes `file`, `line` and the failure's `message`; dorny/test-reporter groups by a `classname` other than
 * the suite's name, and finds the line by a Java frame, `at folder.folder(file:line)`.
 */
import { escaped } from './markup.ts'

export interface JUnitSuite {
  name: string
  /** ISO 8601. */
  timestamp?: string
  cases: readonly JUnitCase[]
}

export interface JUnitCase {
  classname: string
  name: string
  /** Path from the project's root. */
  file?: string
  line?: number
  ms: number
  /** Absent: passed. */
  outcome?:
    | { state: 'skipped'; reason?: string | undefined }
    /** `error`: the test could not run. The first line of `text` is the message. */
    | { state: 'failure' | 'error'; text: string; output?: string }
}

export function junitXml(name: string, suites: readonly JUnitSuite[]): string {
  const head = `<testsuites ${attributes({ name, ...counts(suites.flatMap(({ cases }) => cases)) })}>`
  return `<?xml version="1.0" encoding="UTF-8"?>\n${[head, ...suites.map(suiteXml)].join('\n')}\n</testsuites>\n`
}

function suiteXml({ name, timestamp, cases }: JUnitSuite): string {
  const head = `  <testsuite ${attributes({ name, timestamp, ...counts(cases) })}>`
  return [head, ...cases.map(caseXml), '  </testsuite>'].join('\n')
}

function caseXml({ classname, name, file, line, ms, outcome }: JUnitCase): string {
  const head = `    <testcase ${attributes({ classname, name, file, line, time: seconds(ms) })}`
  if (outcome === undefined) return `${head}/>`
  if (outcome.state === 'skipped') {
    const reason = attributes({ message: outcome.reason })
    return `${head}>\n      <skipped${reason && ` ${reason}`}/>\n    </testcase>`
  }
  const { state, text, output } = outcome
  const message = attributes({ message: text.split('\n')[0] })
  const failure = `      <${state} ${message}>${escaped(text)}</${state}>`
  const out = output === undefined ? '' : `\n      <system-out>${escaped(output)}</system-out>`
  return `${head}>\n${failure}${out}\n    </testcase>`
}

function counts(cases: readonly JUnitCase[]) {
  const count = (state: string) => cases.filter(({ outcome }) => outcome?.state === state).length
  const ms = cases.reduce((sum, each) => sum + each.ms, 0)
  return {
    tests: cases.length,
    failures: count('failure'),
    errors: count('error'),
    skipped: count('skipped'),
    time: seconds(ms),
  }
}

/** Undefined values are left out. */
function attributes(values: Record<string, string | number | undefined>): string {
  return Object.entries(values)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}="${escaped(String(value))}"`]))
    .join(' ')
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3)
}
