/**
 * HTML and SVG as tagged templates. Every inserted text is escaped, because a container's name or a command's
 * output must not become markup. Inserted markup stays as it is.
 */
import { stripVTControlCharacters } from 'node:util'

export interface Markup {
  markup: string
}
export type Piece = string | number | Markup | undefined | readonly Piece[]

export function html(pieces: TemplateStringsArray, ...values: Piece[]): Markup {
  return { markup: pieces.map((piece, i) => piece + rendered(values[i])).join('') }
}

/** Marks text as markup, such as our own style sheet. */
export function trusted(markup: string): Markup {
  return { markup }
}

function rendered(value: Piece): string {
  if (value === undefined) return ''
  if (typeof value === 'string') return escaped(value)
  if (typeof value === 'number') return String(value)
  if ('markup' in value) return value.markup
  return value.map(rendered).join('')
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/**
 * Text for HTML or XML. Terminal colours are removed. Characters that XML 1.0 does not allow, escaped or not,
 * become U+FFFD: the control characters except tab and newline, lone surrogates, U+FFFE and U+FFFF.
 */
export function escaped(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(/[^\t\n\u0020-\u007e\u00a0-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replaceAll(/[&<>"']/g, (character) => entities[character] ?? '')
}
