/**
 * The waits as a table: a row per condition with the median and the longest wait, and a dot per wait on a
 * common axis.
 */
import { duration } from '../format.ts'
import { html, type Markup } from '../markup.ts'
import { median } from '../statistics.ts'
import type { WaitTimes } from '../wait-times.ts'

const shown = 12

export function waitsOf(all: readonly WaitTimes[]): Markup {
  const longest = Math.max(...all.map(({ times }) => times.at(-1) ?? 0))
  const first = all.slice(0, shown)
  const rest = all.slice(shown)
  return html`${table(first, longest)}${
    rest.length === 0
      ? undefined
      : html`<details class="more"><summary class="dim">${rest.length} conditions with shorter waits</summary>${table(rest, longest)}</details>`
  }`
}

function table(all: readonly WaitTimes[], longest: number): Markup {
  return html`<table class="waits"><thead><tr><th>until</th><th class="n">waits</th><th class="n">median</th><th class="n">longest</th><th class="strip"></th></tr></thead><tbody>${all.map(
    ({ condition, times, timedOut }) =>
      html`<tr><td><code>${condition}</code>${
        timedOut > 0 ? html` <span class="mark exit">${timedOut} timed out</span>` : undefined
      }</td><td class="n">${times.length}</td><td class="n">${duration(median(times))}</td><td class="n">${duration(times.at(-1) ?? 0)}</td><td class="strip"><svg width="100%" height="14" role="presentation"><line class="grid" x1="0" x2="100%" y1="7" y2="7"/>${times.map(
        (ms) => html`<circle class="dot" cx="${(1 + (ms / longest) * 98).toFixed(2)}%" cy="7" r="3"/>`,
      )}</svg></td></tr>`,
  )}</tbody></table>`
}
