/**
 * The steps of a scenario. What the walkthrough types stands as on the page, with its output; what a scenario looks
 * up by itself is a line that opens.
 */
import { duration, shortIds } from '../format.ts'
import { html, type Markup } from '../markup.ts'
import type { Step } from '../steps.ts'
import type { Walkthrough } from '../walkthrough.ts'

export function stepsList(
  steps: readonly Step[],
  walkthrough: Walkthrough,
  hosts: readonly string[],
): Markup {
  const show = (step: Step) => stepOf(step, walkthrough, hosts)
  if (!steps.some(({ line }) => line !== undefined)) return html`<ol class="steps">${steps.map(show)}</ol>`
  return html`<ol class="steps">${runsOf(steps).map((run) =>
    run[0]?.line !== undefined ? run.map(show) : lookUps(run, show),
  )}</ol>`
}

/** Neighbours of one kind: typed by the page, or not. */
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
  const words = steps.length === 1 ? '1 look-up of its own' : `${steps.length} look-ups of its own`
  return html`<li class="lookups"><details><summary><span class="dim">${words}</span><span class="ms">${duration(ms)}</span></summary><ol class="steps">${steps.map(show)}</ol></details></li>`
}

function stepOf(step: Step, walkthrough: Walkthrough, hosts: readonly string[]): Markup {
  const output = [step.stdout, step.stderr].map((text) => text.trimEnd()).filter((text) => text !== '')
  const head = html`${badge(step.host, hosts)}${step.container === undefined ? undefined : html`<span class="in">${step.container}</span>`}<code>${shortIds(step.command)}</code>${marks(step)}<span class="ms">${duration(step.ms)}</span>`
  const shown = output.length === 0 ? undefined : html`<pre>${clipped(shortIds(output.join('\n')))}</pre>`
  if (step.line !== undefined)
    return html`<li class="typed"><div class="step">${head}</div>${where(step.line, walkthrough)}${shown}</li>`
  if (shown === undefined) return html`<li><div class="step">${head}</div></li>`
  return html`<li><details><summary class="step">${head}</summary>${shown}</details></li>`
}

export function badge(host: string, hosts: readonly string[]): Markup {
  return html`<span class="host h${hosts.indexOf(host) % 4}">${host}</span>`
}

function marks({ code, wait }: Step): Markup {
  const tries = wait && wait.tries > 1 ? html`<span class="mark">${wait.tries} tries</span>` : undefined
  const exit = code === 0 ? undefined : html`<span class="mark exit">exit ${code}</span>`
  return html`${tries}${exit}`
}

function where(line: number, walkthrough: Walkthrough): Markup {
  const heading = walkthrough(line)
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
