/**
 * `--update`: the page with the outputs of this run in the place of its own.
 *
 * What a value of the page stands for takes its place everywhere else too, in commands that were not replayed and in
 * the prose, so that the page stays of one piece.
 */
import { type Meanings, withRunsValues } from './matcher.ts'
import type { Taken } from './replay.ts'

export function updatedPage(text: string, taken: readonly Taken[], meanings: Meanings): string {
  const lines = text.split('\n').map((line) => withRunsValues(line, meanings))
  // From the last to the first, so that the lines before keep their numbers.
  for (const each of [...taken].sort((a, b) => b.step.line - a.step.line)) {
    lines.splice(each.step.line - 1, 1 + each.step.output.length, promptLine(each), ...each.output)
  }
  return lines.join('\n')
}

function promptLine({ command, prompt, step }: Taken): string {
  if (prompt.shell === undefined) return `$ ${command}`
  return `root@${prompt.shell}:${step.host === 'you' ? '~' : '/'}# ${command}`
}
