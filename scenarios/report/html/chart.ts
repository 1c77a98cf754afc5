/**
 * A time chart as SVG: a row of bars each. Lengths are in percent, so the chart fills its space and the text
 * keeps its size.
 */
import { duration } from '../format.ts'
import { html, type Markup } from '../markup.ts'
import type { Bar, Phase, Row } from '../time.ts'

export interface Span {
  at: number
  ms: number
}

export function chart(rows: readonly Row[], span: Span): Markup {
  const ticks = ticksOf(span.ms)
  return html`<div class="chart">${rows.map((row) => rowOf(row, span, ticks))}
<span class="label"></span><svg class="axis" width="100%" height="18" role="presentation">${ticks.map(
    (ms) => html`<text x="${percent(ms, span)}" y="13" ${anchor(ms)}>${duration(ms)}</text>`,
  )}</svg><span class="ms"></span></div>`
}

/** All phases as one bar, with a legend. */
export function stacked(phases: readonly Phase[]): Markup {
  const total = phases.reduce((sum, { ms }) => sum + ms, 0)
  const starts = phases.map((_, i) => phases.slice(0, i).reduce((sum, { ms }) => sum + ms, 0))
  const span = { at: 0, ms: total }
  return html`<svg class="stacked" width="100%" height="28" role="img" aria-label="where the time went">${phases.map(
    ({ name, kind, ms }, i) =>
      html`<rect class="k-${kind}" x="${percent(starts[i] ?? 0, span)}" width="${percent(ms, span)}" height="28"><title>${name}: ${duration(ms)}</title></rect>`,
  )}</svg>
<table class="phases"><tbody>${phases.map(
    ({ name, kind, ms }) =>
      html`<tr><td><i class="swatch k-${kind}"></i>${name}</td><td class="n">${duration(ms)}</td><td class="n dim">${((ms / total) * 100).toFixed(0)} %</td></tr>`,
  )}</tbody></table>`
}

function rowOf({ label, bars }: Row, span: Span, ticks: readonly number[]): Markup {
  const last = Math.max(...bars.map(({ at, ms }) => at + ms)) - Math.min(...bars.map(({ at }) => at))
  return html`<span class="label">${label}</span><svg width="100%" height="18" role="img" aria-label="${label}">${ticks.map(
    (ms) => html`<line class="grid" x1="${percent(ms, span)}" x2="${percent(ms, span)}" y1="0" y2="18"/>`,
  )}${bars.map((bar) => barOf(bar, span))}</svg><span class="ms">${duration(last)}</span>`
}

function barOf({ title, kind, at, ms, id }: Bar, span: Span): Markup {
  const rect = html`<rect class="k-${kind}" x="${percent(at - span.at, span)}" width="${percent(ms, span)}" y="3" height="12" rx="1"><title>${title}: ${duration(ms)}</title></rect>`
  return id === undefined ? rect : html`<a href="#${id}">${rect}</a>`
}

function percent(ms: number, span: Span): string {
  return `${((ms / span.ms) * 100).toFixed(3)}%`
}

function anchor(ms: number): Markup {
  return ms === 0 ? html`text-anchor="start"` : html`text-anchor="middle"`
}

/** About four ticks at round times; none whose text would be cut off at the right. */
function ticksOf(ms: number): number[] {
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5]
  const step = steps.find((each) => ms / each <= 5) ?? 36e5
  return Array.from({ length: Math.floor(ms / step) + 1 }, (_, i) => i * step).filter(
    (tick) => tick <= ms * 0.95,
  )
}
