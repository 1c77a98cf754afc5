/**
 * Every scenario, by file: a line each that opens; those that failed are open, and stand on top as well.
 */
import { counted, duration, fileTitle } from '../format.ts'
import { html, type Markup } from '../markup.ts'
import type { Group, Kept, Page, Scenario } from '../model.ts'
import { lanesOf } from '../time.ts'
import type { Walkthrough } from '../walkthrough.ts'
import { chart } from './chart.ts'
import { pictureOf } from './picture.ts'
import { stepsList } from './steps.ts'

export interface Context {
  page: Page
  walkthrough: Walkthrough
}

export function groupOf({ file, driver, scenarios }: Group, context: Context): Markup {
  const ms = scenarios.reduce((sum, each) => sum + each.ms, 0)
  const failed = scenarios.filter(({ state }) => state === 'failed').length
  const words =
    failed > 0 ? html`<b class="failed">${failed} failed</b>` : counted(scenarios.length, 'scenario')
  return html`<section class="group"><h3>${fileTitle(file)}${driver === '' || driver === 'vxlan' ? undefined : html` <span class="dim">on ${driver}</span>`}<span class="dim small">${words}</span><span class="ms">${duration(ms)}</span></h3>
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

function inside(scenario: Scenario, { page, walkthrough }: Context): Markup {
  const { state, message, steps, at, ms } = scenario
  return html`${state === 'skipped' ? html`<p class="dim">${message ?? 'skipped'}</p>` : undefined}${pictureOf(scenario)}${
    steps.length > 1 ? chart(lanesOf(page.hosts, [scenario]), { at, ms: Math.max(ms, 1) }) : undefined
  }${steps.length > 0 ? stepsList(steps, walkthrough, page.hosts) : undefined}`
}

export function failureOf(scenario: Scenario, { walkthrough }: Context): Markup {
  const { id, title, file, line, message, evidence, steps } = scenario
  const typed = steps.findLast((step) => step.line !== undefined)?.line
  const heading = typed === undefined ? undefined : walkthrough(typed)
  const places = [
    `${file}${line === undefined ? '' : `:${line}`}`,
    ...(typed === undefined
      ? []
      : [`walkthrough.md:${typed}${heading === undefined ? '' : ` · ${heading}`}`]),
  ]
  return html`<article class="failure"><h3><a href="#${id}">${title}</a></h3><p class="dim">${places.join(' · ')}</p>
<pre class="message">${message ?? 'it failed without a word'}</pre>${evidenceOf(evidence)}</article>`
}

/** A table of what was kept: hosts by titles would be wide, so a fold per piece, by host. */
function evidenceOf(evidence: readonly Kept[]): Markup | undefined {
  if (evidence.length === 0) return undefined
  const sorted = [...evidence].sort((a, b) => a.host.localeCompare(b.host) || a.title.localeCompare(b.title))
  return html`<h4>What every host knew</h4><div class="evidence">${sorted.map(
    ({ host, title, command, file, text }) =>
      html`<details><summary><span class="where">${host}</span>${title}<span class="ms">${counted(text.trimEnd() === '' ? 0 : text.trimEnd().split('\n').length, 'line')}</span></summary><p class="dim"><a href="${file}">${file}</a>${command === '' ? '' : ` · ${command}`}</p><pre>${ending(text)}</pre></details>`,
  )}</div>`
}

const mostCharacters = 60_000

/** Its end is nearest to the failure. */
function ending(text: string): string {
  return text.length <= mostCharacters
    ? text
    : `… the beginning is in the file\n${text.slice(-mostCharacters)}`
}
