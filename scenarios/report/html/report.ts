/**
 * The report as one HTML file. It has no scripts and loads nothing.
 */
import { duration } from '../format.ts'
import type { Headings } from '../headings.ts'
import { html, type Markup, trusted } from '../markup.ts'
import type { Report } from '../model.ts'
import { ganttOf, hostRows, phasesOf } from '../time.ts'
import { chart, stacked } from './chart.ts'
import { type Context, failureOf, groupOf } from './scenarios.ts'
import { subjectsOf } from './subjects.ts'
import { waitsOf } from './waits.ts'

export function renderReport(
  report: Report,
  { headings, style }: { headings: Headings; style: string },
): string {
  const context = { report, headings }
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${report.headline} · multihost</title><style>${trusted(style)}</style></head>
<body class="${report.state}"><main>
${headOf(report)}${failuresOf(report, context)}${timeOf(report)}
${subjectsOf(report.groups)}
<section><h2>Scenarios</h2>${report.groups.map((group) => groupOf(group, context))}</section>
${report.waitTimes.length === 0 ? undefined : html`<section><h2>Waits</h2><p class="dim">Scenarios wait for conditions, never for a fixed time. Each dot is one wait.</p>${waitsOf(report.waitTimes)}</section>`}
</main></body></html>
`.markup
}

function headOf({ headline, facts, run, state }: Report): Markup {
  const when =
    run &&
    html`<time datetime="${new Date(run.at).toISOString()}">${new Date(run.at).toUTCString().replace(/:\d\d GMT$/, ' UTC')}</time>`
  return html`<header><p class="over">multihost scenarios${when && html` · ${when}`}</p>
<h1><span class="glyph ${state === 'passed' ? 'passed' : 'failed'}">${state === 'passed' ? '✓' : '✗'}</span> ${headline}${run && html` <span class="total">${duration(run.ms)}</span>`}</h1>
<dl>${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl></header>`
}

function failuresOf({ groups, run }: Report, context: Context): Markup | undefined {
  const failed = groups.flatMap(({ scenarios }) => scenarios).filter(({ state }) => state === 'failed')
  if (failed.length === 0 && run?.message === undefined) return undefined
  return html`<section class="failures"><h2>What failed</h2>${
    run?.message === undefined
      ? undefined
      : html`<article class="failure"><pre class="message">${run.message}</pre></article>`
  }${failed.map((scenario) => failureOf(scenario, context))}</section>`
}

function timeOf({ run, groups, hosts }: Report): Markup | undefined {
  if (run === undefined) return undefined
  const scenarios = groups.flatMap((group) => group.scenarios)
  const rows = hostRows(hosts, scenarios)
  return html`<section><h2>Where the time went</h2>${stacked(phasesOf(run, scenarios))}${chart(ganttOf(run, groups), run)}</section>
${run.replay && rows.length > 0 ? html`<section><h2>What each host did</h2><p class="dim"><i class="swatch k-act"></i>typed by the walkthrough <i class="swatch k-lookup"></i>looked up by a scenario <i class="swatch k-wait"></i>waited for</p>${chart(rows, run.replay)}</section>` : undefined}`
}
