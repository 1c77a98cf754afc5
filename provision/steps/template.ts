/**
 * Configuration files from handlebars templates: strict, so that a missing value is an error with its name
 * and never an empty place in a file.
 */
import { readFileSync } from 'node:fs'
import Handlebars from 'handlebars'
import { LabError, messageOf } from '../process/errors.ts'

/** `template` is a file's URL; values are inserted as they are (these are not HTML files). */
export function render(template: URL, values: Record<string, unknown>): string {
  const name = template.pathname.split('/').at(-1)
  try {
    return Handlebars.compile(readFileSync(template, 'utf8'), { strict: true, noEscape: true })(values)
  } catch (error) {
    const missing = /"([^"]+)" not defined/.exec(messageOf(error))?.[1]
    if (missing === undefined) throw error
    throw new LabError(`template ${name} needs the value "${missing}"`, { cause: error })
  }
}
