/**
 * The manual page multihost(8): its text is templates/multihost.8.hbs, its lists come from the help texts.
 * Pure.
 */
import { render } from '../steps/template.ts'
import type { Entry, Help } from './help.ts'

export function manualPage(help: Help, { version, epochS }: { version: string; epochS: number }): string {
  return render(new URL('./templates/multihost.8.hbs', import.meta.url), {
    version,
    date: new Date(epochS * 1000).toISOString().slice(0, 10),
    commands: list(help.commands),
    options: list(help.options),
    services: list(help.services),
    daemon: list(help.daemon),
  })
}

function list(entries: readonly Entry[]): string {
  return entries.map(({ term, description }) => `.TP\n.B ${roff(term)}\n${roff(description)}`).join('\n')
}

/**
 * Dashes are typed as they are; a dot at the beginning of a line would be a request. Source: man(7),
 * groff_char(7).
 */
function roff(text: string): string {
  const escaped = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('…', '...')
  return escaped.replace(/^(?=[.'])/, '\\&')
}
