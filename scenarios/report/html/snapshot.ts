/**
 * The drawing of the lab before a scenario's teardown, with its problems; or a link to an equal drawing.
 */
import { html, type Markup } from '../markup.ts'
import type { Scenario } from '../model.ts'
import { drawLab } from './lab-drawing.ts'

export function labFigure({ lab, sameAs }: Scenario): Markup | undefined {
  if (sameAs !== undefined)
    return html`<p class="dim">The lab was as <a href="#${sameAs}">drawn there</a>.</p>`
  if (lab === undefined) return undefined
  return html`<figure>${drawLab(lab)}<figcaption>The lab before teardown, as Consul, the kernels and Docker showed it${
    lab.store === undefined ? ' (no store)' : ''
  }.${lab.problems.length === 0 && lab.store !== undefined ? ' They agree.' : ''}</figcaption>${
    lab.problems.length === 0
      ? undefined
      : html`<ul class="problems">${lab.problems.map((problem) => html`<li>${problem}</li>`)}</ul>`
  }</figure>`
}
