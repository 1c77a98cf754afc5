/**
 * `--update`: the page with the outputs of this run in the place of its own.
 *
 * What a value of the page stands for takes its place everywhere else too, so that the page stays of one piece.
 */
import type { Meanings } from './notation.ts'
import type { Taken } from './replay.ts'

export function updatedPage(text: string, taken: readonly Taken[], { ofPage }: Meanings): string {
  const lines = text.split('\n').map((line) => withValues(line, ofPage))
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

/** In prompts and commands that were not replayed, and in the prose. */
function withValues(line: string, ofPage: ReadonlyMap<string, string>): string {
  return line.replaceAll(/[\w.:]+/g, (word) => ofPage.get(word) ?? word)
}
