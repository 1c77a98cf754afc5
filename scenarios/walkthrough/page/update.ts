/**
 * `--update`: the page with the outputs of this run.
 *
 * A value of the page is replaced by the run's value everywhere: also in commands that were not replayed, and
 * in the prose.
 */
import { type Bindings, withValuesOfRun } from './matcher.ts'
import type { UpdatedStep } from './replay.ts'

export function updatedPage(text: string, updates: readonly UpdatedStep[], bindings: Bindings): string {
  const lines = text.split('\n').map((line) => withValuesOfRun(line, bindings))
  // From the last to the first: the lines before a replaced step keep their numbers.
  for (const each of [...updates].sort((a, b) => b.step.line - a.step.line)) {
    lines.splice(each.step.line - 1, 1 + each.step.output.length, promptLine(each), ...each.output)
  }
  return lines.join('\n')
}

function promptLine({ command, prompt, step }: UpdatedStep): string {
  if (prompt.shell === undefined) return `$ ${command}`
  return `root@${prompt.shell}:${step.host === 'you' ? '~' : '/'}# ${command}`
}
