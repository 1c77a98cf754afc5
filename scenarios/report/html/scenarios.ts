/**
 * The scenarios by file. Each is a line that unfolds; failed ones are unfolded, and also stand at the top.
 */
import { ownDriver } from '../../record/events.ts'
import { counted, duration, fileTitle } from '../format.ts'
import type { Headings } from '../headings.ts'
import { html, type Markup } from '../markup.ts'
import type { EvidenceFile, Group, Report, Scenario } from '../model.ts'
import { hostRows } from '../time.ts'
import { chart } from './chart.ts'
import { labFigure } from './snapshot.ts'
import { stepsList } from './steps.ts'

export interface Context {
  report: Report
  headings: Headings
}

export function groupOf({ file, subject, scenarios }: Group, context: Context): Markup {
  const ms = scenarios.reduce((sum, each) => sum + each.ms, 0)
  const failed = scenarios.filter(({ state }) => state === 'failed').length
  const words =
    failed > 0 ? html`<b class="failed">${failed} failed</b>` : counted(scenarios.length, 'scenario')
  return html`<section class="group"><h3>${fileTitle(file)}${subject === '' || subject === ownDriver ? undefined : html` <span class="dim">on ${subject}</span>`}<span class="dim small">${words}</span><span class="ms">${duration(ms)}</span></h3>
${scenarios.map((scenario) => scenarioOf(scenario, context))}</section>`
}

function scenarioOf(scenario: Scenario, context: Context): Markup {
  const { id, title, state, ms } = scenario
  return html`<details class="scenario ${state}" id="${id}"${state === 'failed' ? html` open` : undefined}>
<summary>${mark(state)}<span class="title">${title}</span><span class="ms">${state === 'skipped' ? 'skipped' : duration(ms)}</span></summary>
<div class="inside">${inside(scenario, context)}</div></details>`
}

function mark(state: Scenario['state']): Markup {
  const glyph = { passed: '✓', failed: '✗', skipped: '–' }[state]
  return html`<span class="glyph ${state}" title="${state}">${glyph}</span>`
}

function inside(scenario: Scenario, { report, headings }: Context): Markup {
  const { state, message, steps, at, ms } = scenario
  return html`${state === 'skipped' ? html`<p class="dim">${message ?? 'skipped'}</p>` : undefined}${labFigure(scenario)}${
    steps.length > 1 ? chart(hostRows(report.hosts, [scenario]), { at, ms: Math.max(ms, 1) }) : undefined
  }${steps.length > 0 ? stepsList(steps, headings, report.hosts) : undefined}`
}

export function failureOf(scenario: Scenario, { headings }: Context): Markup {
  const { id, title, file, line, message, evidence, steps } = scenario
  const typed = steps.findLast((step) => step.line !== undefined)?.line
  const heading = typed === undefined ? undefined : headings(typed)
  const places = [
    `${file}${line === undefined ? '' : `:${line}`}`,
    ...(typed === undefined
      ? []
      : [`walkthrough.md:${typed}${heading === undefined ? '' : ` · ${heading}`}`]),
  ]
  return html`<article class="failure"><h3><a href="#${id}">${title}</a></h3><p class="dim">${places.join(' · ')}</p>
<pre class="message">${message ?? 'no message'}</pre>${evidenceOf(evidence)}</article>`
}

/** One fold per evidence file, sorted by host. A table of hosts by titles would be too wide. */
function evidenceOf(evidence: readonly EvidenceFile[]): Markup | undefined {
  if (evidence.length === 0) return undefined
  const sorted = [...evidence].sort((a, b) => a.host.localeCompare(b.host) || a.title.localeCompare(b.title))
  return html`<h4>Evidence from every host</h4><div class="evidence">${sorted.map(
    ({ host, title, command, file, text }) =>
      html`<details><summary><span class="where">${host}</span>${title}<span class="ms">${counted(text.trimEnd() === '' ? 0 : text.trimEnd().split('\n').length, 'line')}</span></summary><p class="dim"><a href="${file}">${file}</a>${command === '' ? '' : ` · ${command}`}</p><pre>${endOf(text)}</pre></details>`,
  )}</div>`
}

const mostCharacters = 60_000

/** Keeps the end of a long text: it is nearest to the failure. */
function endOf(text: string): string {
  return text.length <= mostCharacters ? text : `… the file has the beginning\n${text.slice(-mostCharacters)}`
}
