/**
 * JUnit as GitHub's and GitLab's readers show it well.
 *
 * What each takes: GitLab (lib/gitlab/ci/parsers/test/junit.rb) `file`, the failure's text and the first
 * `[[ATTACHMENT|path]]` of system-out, a path from the project's root; mikepenz/action-junit-report `file`, `line` and
 * the failure's `message`; dorny/test-reporter groups by a `classname` other than the suite's name, and finds the
 * line by a Java frame, `at folder.folder(file:line)`.
 */
import { stripVTControlCharacters } from 'node:util'
import type { Event, EvidenceEvent, RunEvent, ScenarioEvent } from '../record/events.ts'
import { tellingRound } from './rounds.ts'

/** `folder` is the report's, from the project's root. One round is shown, see rounds.ts. */
export function junit(events: readonly Event[], folder: string): string {
  const started = tellingRound(events)
  const scenarios = started.filter((event) => event.kind === 'scenario')
  const evidence = started.filter((event) => event.kind === 'evidence')
  const run = started.find((event) => event.kind === 'run')
  const cases = [...scenarios, ...(run?.code === 2 ? [lostLab(run)] : [])]
  const files = [...new Set(cases.map(({ file }) => file))]
  const suites = files.map((file) => suite(file, cases, evidence, folder))
  const head = `<testsuites name="scenarios" ${counts(cases)}>`
  return `<?xml version="1.0" encoding="UTF-8"?>\n${head}\n${suites.join('\n')}\n</testsuites>\n`
}

interface Case extends ScenarioEvent {
  error?: true
}

function lostLab({ at, ms, message = 'the lab could not be made or was lost' }: RunEvent): Case {
  const common = { kind: 'scenario', state: 'failed', at, ms, message } as const
  return { ...common, scenario: 'the lab is there', file: 'scenarios/main.ts', error: true }
}

function suite(
  file: string,
  all: readonly Case[],
  evidence: readonly EvidenceEvent[],
  folder: string,
): string {
  const cases = all.filter((each) => each.file === file)
  const at = new Date(Math.min(...cases.map((each) => each.at))).toISOString()
  const head = `  <testsuite name="${escaped(file)}" timestamp="${at}" ${counts(cases)}>`
  return [head, ...cases.map((each) => testCase(each, evidence, folder)), '  </testsuite>'].join('\n')
}

function testCase(it: Case, evidence: readonly EvidenceEvent[], folder: string): string {
  const { file, line, scenario, ms, state } = it
  const where = `file="${escaped(file)}"${line === undefined ? '' : ` line="${line}"`}`
  const head = `    <testcase classname="${escaped(file)}" name="${escaped(scenario)}" ${where} time="${seconds(ms)}"`
  if (state === 'passed') return `${head}/>`
  const inside = state === 'skipped' ? skipped(it) : failed(it, evidence, folder)
  return `${head}>\n${inside}\n    </testcase>`
}

function skipped({ message }: Case): string {
  return message === undefined ? '      <skipped/>' : `      <skipped message="${escaped(message)}"/>`
}

function failed(it: Case, evidence: readonly EvidenceEvent[], folder: string): string {
  const tag = it.error ? 'error' : 'failure'
  const message = it.message ?? ''
  const [first = ''] = message.split('\n')
  const text = escaped([message, ...frame(it)].join('\n'))
  const kept = evidence
    .filter(({ scenario }) => scenario === it.scenario)
    .map(({ file }) => `${folder}/${file}`)
  const out = [`[[ATTACHMENT|${folder}/index.html]]`, ...(kept.length > 0 ? ['evidence:', ...kept] : [])]
  return `      <${tag} message="${escaped(first)}">${text}</${tag}>
      <system-out>${escaped(out.join('\n'))}</system-out>`
}

/** `at scenarios.overlay(traffic.scenario.ts:30)` */
function frame({ file, line }: Case): string[] {
  const parts = file.split('/')
  return line === undefined ? [] : [`at ${parts.slice(0, -1).join('.')}(${parts.at(-1)}:${line})`]
}

function counts(cases: readonly Case[]): string {
  const bad = cases.filter(({ state }) => state === 'failed')
  const errors = bad.filter(({ error }) => error).length
  const skips = cases.filter(({ state }) => state === 'skipped').length
  const ms = cases.reduce((sum, each) => sum + each.ms, 0)
  const numbers = { tests: cases.length, failures: bad.length - errors, errors, skipped: skips }
  const attributes = Object.entries(numbers).map(([name, value]) => `${name}="${value}"`)
  return [...attributes, `time="${seconds(ms)}"`].join(' ')
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3)
}

/** XML 1.0 has no control characters but three, not even escaped: terminals' colours and beeps go. */
function escaped(text: string): string {
  const plain = stripVTControlCharacters(text).replaceAll(
    /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu,
    '�',
  )
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return plain.replaceAll(/[&<>"]/g, (character) => entities[character] ?? '')
}
