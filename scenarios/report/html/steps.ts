/**
 * The steps of a scenario. A command of the walkthrough stands with its output, as on the page. A scenario's
 * own look-up is a line that unfolds.
 */
import { duration, shortIds } from '../format.ts'
import type { Headings } from '../headings.ts'
import { html, type Markup } from '../markup.ts'
import type { Step } from '../steps.ts'

export function stepsList(steps: readonly Step[], headings: Headings, hosts: readonly string[]): Markup {
  const show = (step: Step) => stepOf(step, headings, hosts)
  if (!steps.some(({ line }) => line !== undefined)) return html`<ol class="steps">${steps.map(show)}</ol>`
  return html`<ol class="steps">${runsOf(steps).map((run) =>
    run[0]?.line !== undefined ? run.map(show) : lookUps(run, show),
  )}</ol>`
}

/** Splits the steps where they change between the page's commands and look-ups. */
function runsOf(steps: readonly Step[]): Step[][] {
  const runs: Step[][] = []
  for (const step of steps) {
    const last = runs.at(-1)
    if (last?.[0] && (last[0].line === undefined) === (step.line === undefined)) last.push(step)
    else runs.push([step])
  }
  return runs
}

function lookUps(steps: readonly Step[], show: (step: Step) => Markup): Markup {
  const ms = steps.reduce((sum, step) => sum + step.ms, 0)
  const words = steps.length === 1 ? '1 look-up' : `${steps.length} look-ups`
  return html`<li class="lookups"><details><summary><span class="dim">${words}</span><span class="ms">${duration(ms)}</span></summary><ol class="steps">${steps.map(show)}</ol></details></li>`
}

function stepOf(step: Step, headings: Headings, hosts: readonly string[]): Markup {
  const output = [step.stdout, step.stderr].map((text) => text.trimEnd()).filter((text) => text !== '')
  const head = html`${badge(step.host, hosts)}${step.container === undefined ? undefined : html`<span class="in">${step.container}</span>`}<code>${shortIds(step.command)}</code>${marks(step)}<span class="ms">${duration(step.ms)}</span>`
  const shown = output.length === 0 ? undefined : html`<pre>${clipped(shortIds(output.join('\n')))}</pre>`
  if (step.line !== undefined)
    return html`<li class="typed"><div class="step">${head}</div>${where(step.line, headings)}${shown}</li>`
  if (shown === undefined) return html`<li><div class="step">${head}</div></li>`
  return html`<li><details><summary class="step">${head}</summary>${shown}</details></li>`
}

function badge(host: string, hosts: readonly string[]): Markup {
  return html`<span class="host h${hosts.indexOf(host) % 4}">${host}</span>`
}

function marks({ code, wait }: Step): Markup {
  const tries = wait && wait.tries > 1 ? html`<span class="mark">${wait.tries} tries</span>` : undefined
  const exit = code === 0 ? undefined : html`<span class="mark exit">exit ${code}</span>`
  return html`${tries}${exit}`
}

function where(line: number, headings: Headings): Markup {
  const heading = headings(line)
  return html`<p class="where dim">walkthrough.md:${line}${heading === undefined ? '' : ` · ${heading}`}</p>`
}

const mostLines = 60
const mostCharacters = 6000

function clipped(text: string): string {
  const lines = text.slice(0, mostCharacters).split('\n').slice(0, mostLines).join('\n')
  return lines.length === text.length
    ? text
    : `${lines}\n… ${text.length - lines.length} more characters in events.jsonl`
}
