/**
 * A scenario's picture of the lab, with what its planes do not agree on; or where the same picture is.
 */
import { html, type Markup } from '../markup.ts'
import type { Scenario } from '../model.ts'
import { labPictures } from './lab.ts'

export function pictureOf({ survey, sameAs }: Scenario): Markup | undefined {
  if (sameAs !== undefined)
    return html`<p class="dim">The lab was as it is drawn <a href="#${sameAs}">there</a>.</p>`
  if (survey === undefined) return undefined
  return html`<figure>${labPictures(survey)}<figcaption>As Consul, the kernels and Docker told it${
    survey.store === undefined ? ' (the driver keeps no store)' : ''
  }.${survey.problems.length === 0 && survey.store !== undefined ? ' They agree.' : ''}</figcaption>${
    survey.problems.length === 0
      ? undefined
      : html`<ul class="problems">${survey.problems.map((problem) => html`<li>${problem}</li>`)}</ul>`
  }</figure>`
}
