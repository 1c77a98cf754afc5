/**
 * Drivers side by side: a row per scenario, a column per driver.
 */
import { duration, fileTitle } from '../format.ts'
import { html, type Markup } from '../markup.ts'
import type { Group, Scenario } from '../model.ts'

/** Absent when there was but one. */
export function driversOf(groups: readonly Group[]): Markup | undefined {
  const drivers = [...new Set(groups.map(({ driver }) => driver))]
  if (drivers.length < 2) return undefined
  const all = groups.flatMap(({ scenarios }) => scenarios)
  const rows = [...new Set(all.map(({ file, title }) => `${file}\n${title}`))]
  return html`<section><h2>Drivers side by side</h2><table class="drivers"><thead><tr><th>scenario</th>${drivers.map((driver) => html`<th class="n">${driver}</th>`)}</tr></thead><tbody>${rows.map(
    (row) => {
      const [file = '', title = ''] = row.split('\n')
      return html`<tr><td><span class="dim">${fileTitle(file)}</span> ${title}</td>${drivers.map((driver) =>
        cell(all.find((each) => each.driver === driver && each.file === file && each.title === title)),
      )}</tr>`
    },
  )}</tbody></table></section>`
}

function cell(scenario: Scenario | undefined): Markup {
  if (scenario === undefined) return html`<td class="n dim">did not run</td>`
  const { id, state, ms, message } = scenario
  if (state === 'skipped') return html`<td class="n dim" title="${message ?? ''}">not for it</td>`
  return html`<td class="n"><a href="#${id}"><span class="glyph ${state}">${state === 'passed' ? '✓' : '✗'}</span> ${duration(ms)}</a></td>`
}
