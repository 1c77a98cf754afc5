/**
 * Subjects side by side: a row per scenario, a column per subject, and in a fault's cells what the subject
 * lost.
 */
import { duration, fileTitle } from '../format.ts'
import { lossText } from '../loss.ts'
import { html, type Markup } from '../markup.ts'
import type { Group, Scenario } from '../model.ts'

/** Absent when one subject was tested. */
export function subjectsOf(groups: readonly Group[]): Markup | undefined {
  const subjects = [...new Set(groups.map(({ subject }) => subject))]
  if (subjects.length < 2) return undefined
  const all = groups.flatMap(({ scenarios }) => scenarios)
  const rows = [...new Set(all.map(({ file, title }) => `${file}\n${title}`))]
  return html`<section><h2>Side by side</h2><table class="subjects"><thead><tr><th>scenario</th>${subjects.map((subject) => html`<th class="n">${subject}</th>`)}</tr></thead><tbody>${rows.map(
    (row) => {
      const [file = '', title = ''] = row.split('\n')
      return html`<tr><td><span class="dim">${fileTitle(file)}</span> ${title}</td>${subjects.map((subject) =>
        cell(all.find((each) => each.subject === subject && each.file === file && each.title === title)),
      )}</tr>`
    },
  )}</tbody></table></section>`
}

function cell(scenario: Scenario | undefined): Markup {
  if (scenario === undefined) return html`<td class="n dim">did not run</td>`
  const { id, state, ms, message, losses } = scenario
  if (state === 'skipped') return html`<td class="n dim" title="${message ?? ''}">skipped</td>`
  return html`<td class="n"><a href="#${id}"><span class="glyph ${state}">${state === 'passed' ? '✓' : '✗'}</span> ${duration(ms)}</a>${losses.map((loss) => html`<div class="dim small">lost ${loss.traffic}: ${lossText(loss)}</div>`)}</td>`
}
