/**
 * How long conditions took: a dot per wait on one axis for all, with the middle and the longest in numbers.
 */
import { duration } from '../format.ts'
import { html, type Markup } from '../markup.ts'
import { quantile, type Spread } from '../spread.ts'

const shown = 12

export function waitsOf(spreads: readonly Spread[]): Markup {
  const longest = Math.max(...spreads.map(({ times }) => times.at(-1) ?? 0))
  const [first, rest] = [spreads.slice(0, shown), spreads.slice(shown)]
  return html`${table(first, longest)}${
    rest.length === 0
      ? undefined
      : html`<details class="more"><summary class="dim">${rest.length} shorter ones</summary>${table(rest, longest)}</details>`
  }`
}

function table(spreads: readonly Spread[], longest: number): Markup {
  return html`<table class="waits"><thead><tr><th>until</th><th class="n">waits</th><th class="n">median</th><th class="n">longest</th><th class="strip"></th></tr></thead><tbody>${spreads.map(
    ({ condition, times, lost }) =>
      html`<tr><td><code>${condition}</code>${
        lost > 0 ? html` <span class="mark exit">${lost} given up</span>` : undefined
      }</td><td class="n">${times.length}</td><td class="n">${duration(quantile(times, 0.5))}</td><td class="n">${duration(times.at(-1) ?? 0)}</td><td class="strip"><svg width="100%" height="14" role="presentation"><line class="grid" x1="0" x2="100%" y1="7" y2="7"/>${times.map(
        (ms) => html`<circle class="dot" cx="${(1 + (ms / longest) * 98).toFixed(2)}%" cy="7" r="3"/>`,
      )}</svg></td></tr>`,
  )}</tbody></table>`
}
