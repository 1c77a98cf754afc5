/**
 * Words that are the sign of a sentence that has to be read twice: "nobody", "what has been" … A few are
 * allowed, since some sentences need them; a number keeps them few.
 */
import type { SourceFile } from './imports.ts'

const signWords = [
  /\b(nobody|somebody|whoever|whatever|of which|is none|what has been)\b/gi,
  // "It is no Consul" for "it is not Consul".
  /(?<!\bthere )\bis no (?=[A-Z])\w+/g,
]

/** How many may stand in the whole tree. */
export const maxSignWords = 20

export type SignWord = { path: string; line: number; words: string; text: string }

export function signWordsOf({ path, text }: SourceFile): SignWord[] {
  return text
    .split('\n')
    .flatMap((line, at) =>
      signWords
        .flatMap((words) => [...line.matchAll(words)])
        .map(([words]) => ({ path, line: at + 1, words, text: line.trim() })),
    )
}
