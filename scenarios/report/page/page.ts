/**
 * The report: one file without scripts, that needs nothing from anywhere.
 */
import { duration } from '../format.ts'
import { html, type Markup, trusted } from '../markup.ts'
import type { Page } from '../model.ts'
import { ganttOf, lanesOf, phasesOf } from '../time.ts'
import type { Walkthrough } from '../walkthrough.ts'
import { chart, stacked } from './chart.ts'
import { driversOf } from './drivers.ts'
import { type Context, failureOf, groupOf } from './scenarios.ts'
import { waitsOf } from './waits.ts'

export function renderPage(
  page: Page,
  { walkthrough, style }: { walkthrough: Walkthrough; style: string },
): string {
  const context = { page, walkthrough }
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${page.headline} · multihost</title><style>${trusted(style)}</style></head>
<body class="${page.state}"><main>
${headOf(page)}${failuresOf(page, context)}${timeOf(page)}
${driversOf(page.groups)}
<section><h2>Scenarios</h2>${page.groups.map((group) => groupOf(group, context))}</section>
${page.spreads.length === 0 ? undefined : html`<section><h2>Waits</h2><p class="dim">Every wait is on a condition. A dot is one wait.</p>${waitsOf(page.spreads)}</section>`}
</main></body></html>
`.markup
}

function headOf({ headline, facts, run, state }: Page): Markup {
  const when =
    run &&
    html`<time datetime="${new Date(run.at).toISOString()}">${new Date(run.at).toUTCString().replace(/:\d\d GMT$/, ' UTC')}</time>`
  return html`<header><p class="over">multihost scenarios${when && html` · ${when}`}</p>
<h1><span class="glyph ${state === 'passed' ? 'passed' : 'failed'}">${state === 'passed' ? '✓' : '✗'}</span> ${headline}${run && html` <span class="total">${duration(run.ms)}</span>`}</h1>
<dl>${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl></header>`
}

function failuresOf({ groups, run }: Page, context: Context): Markup | undefined {
  const failed = groups.flatMap(({ scenarios }) => scenarios).filter(({ state }) => state === 'failed')
  if (failed.length === 0 && run?.message === undefined) return undefined
  return html`<section class="failures"><h2>What failed</h2>${
    run?.message === undefined
      ? undefined
      : html`<article class="failure"><pre class="message">${run.message}</pre></article>`
  }${failed.map((scenario) => failureOf(scenario, context))}</section>`
}

function timeOf({ run, groups, hosts }: Page): Markup | undefined {
  if (run === undefined) return undefined
  const scenarios = groups.flatMap((group) => group.scenarios)
  const lanes = lanesOf(hosts, scenarios)
  return html`<section><h2>Where the time went</h2>${stacked(phasesOf(run, scenarios))}${chart(ganttOf(run, groups), run)}</section>
${run.replay && lanes.length > 0 ? html`<section><h2>Who did what</h2><p class="dim"><i class="swatch k-act"></i>typed by the walkthrough <i class="swatch k-lookup"></i>run by a scenario <i class="swatch k-wait"></i>waited for</p>${chart(lanes, run.replay)}</section>` : undefined}`
}
