/**
 * The run as one HTML file: a dot per sample, a mark per median, the goals. No scripts, nothing from
 * elsewhere; the colours follow the reader's.
 */
import { html, type Markup, trusted } from '../../scenarios/report/markup.ts'
import { median } from '../../scenarios/report/statistics.ts'
import { type Figure, figures } from './figures.ts'
import type { Goal } from './goals.ts'
import { type Peer, peers, type Sample } from './samples.ts'

const [width, label, right, row] = [720, 96, 90, 24]

export function page(samples: readonly Sample[], goals: readonly Goal[], facts: object): string {
  const plots = figures.flatMap((figure) => plot(samples, figure))
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>multihost: measurements</title>
<meta name="viewport" content="width=device-width"><style>${trusted(style)}</style></head><body>
<h1>Measurements</h1>
<p>A dot is a sample, a mark the median. What the figures are: docs/bench.md.</p>
<table><tr><th>goal<th><th>this run<th></tr>${goals.map(goalRow)}</table>
${plots}
<pre>${JSON.stringify(facts, undefined, 1)}</pre></body></html>
`.markup
}

const style = `
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #8b949e; --dot: #2f6fde }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --faint: #7d8590; --dot: #7fb0ff } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 760px; margin: 2em auto; padding: 0 1em }
h2 { font-size: 1em; margin: 1.6em 0 0 } td, th { text-align: left; padding: 0 1em 0 0 } svg { width: 100% }
text { fill: var(--ink); font-size: 12px } line { stroke: var(--faint) } circle { fill: var(--dot); fill-opacity: .35 }
rect { fill: var(--ink) } .missed { font-weight: bold } pre { color: var(--faint); font-size: 12px }`

function goalRow({ title, kind, limit, unit, value, reached }: Goal): Markup {
  const said = reached === undefined ? 'not measured' : reached ? 'reached' : 'missed'
  const cells = [
    title,
    `${kind === 'least' ? '≥' : '≤'} ${limit} ${unit}`,
    value === undefined ? '–' : `${short(value)} ${unit}`,
    said,
  ]
  return html`<tr class="${said}">${cells.map((cell) => html`<td>${cell}`)}</tr>`
}

/** Nothing for a figure without samples. */
function plot(samples: readonly Sample[], { id, title, unit }: Figure): Markup[] {
  const own = samples.filter((it) => it.figure === id)
  const shown = peers.filter((peer) => own.some((it) => it.peer === peer))
  if (shown.length === 0) return []
  const values = own.map((it) => it.value)
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values) || 1]
  const x = (value: number): number => label + ((value - low) / (high - low)) * (width - label - right)
  const height = shown.length * row + 22
  const lines = shown.map((peer, i) => peerRow(own, peer, x, i * row + row / 2))
  const ends = [low, high].map((end) => text(x(end), height - 4, short(end), 'middle'))
  const heading = html`<h2>${title.replaceAll('`', '')}, ${unit}</h2>`
  const zero = html`<line x1="${x(0)}" x2="${x(0)}" y1="0" y2="${height - 18}"/>`
  return [html`${heading}<svg viewBox="0 0 ${width} ${height}" role="img">${zero}${lines}${ends}</svg>\n`]
}

function peerRow(samples: readonly Sample[], peer: Peer, x: (value: number) => number, y: number): Markup {
  const values = samples.filter((it) => it.peer === peer).map((it) => it.value)
  const middle = median(values)
  const dots = values.map((value) => html`<circle cx="${x(value).toFixed(1)}" cy="${y}" r="4"/>`)
  const mark = html`<rect x="${(x(middle) - 1).toFixed(1)}" y="${y - 9}" width="2" height="18"/>`
  return html`${text(0, y + 4, peer)}${dots}${mark}${text(width, y + 4, short(middle), 'end')}`
}

function text(x: number, y: number, content: string, anchor = 'start'): Markup {
  return html`<text x="${x.toFixed(1)}" y="${y}" text-anchor="${anchor}">${content}</text>`
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)))
}
