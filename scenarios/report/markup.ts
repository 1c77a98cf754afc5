/**
 * HTML and SVG as tagged templates in which every inserted text is escaped: a container's name or a command's output
 * is never markup. What is markup already is inserted as it is.
 */
import { stripVTControlCharacters } from 'node:util'

export interface Markup {
  markup: string
}
export type Piece = string | number | Markup | undefined | readonly Piece[]

export function html(pieces: TemplateStringsArray, ...values: Piece[]): Markup {
  return { markup: pieces.map((piece, i) => piece + rendered(values[i])).join('') }
}

/** Text that is markup, such as a style sheet of ours. */
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

/** Terminals' colours go, other control characters are seen. */
function escaped(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(/[&<>"']/g, (character) => entities[character] ?? '')
    .replaceAll(/[^\P{Cc}\n\t]/gu, '\ufffd')
}
