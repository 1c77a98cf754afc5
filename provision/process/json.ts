import { LabError } from './errors.ts'

/** The value of a JSON text; undefined for any other text. */
export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * Parses the text of a file that a person wrote. A byte order mark, which editors on Windows write, is
 * ignored. Throws one line with the file and what is wrong.
 */
export function parseJson(text: string, file: string, hint?: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (cause) {
    // Node quotes the text before and after the error, with its line breaks.
    const words = (cause as Error).message.replaceAll(/\s+/g, ' ')
    const usual = 'JSON in UTF-8 has no comments, and no comma after the last of a list'
    throw new LabError(`${file} is not JSON: ${words}`, { cause, hint: hint ?? usual })
  }
}
