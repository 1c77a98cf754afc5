/** A log that a test can read: one line per entry, `level message`, with what was logged beside it. */
import type { Log } from '../../../driver/loops/log.ts'

export interface Entry {
  level: 'debug' | 'info' | 'warn' | 'error'
  message: string
  fields: Record<string, unknown>
}

export function readableLog(): { log: Log; entries: Entry[] } {
  const entries: Entry[] = []
  const at =
    (level: Entry['level']) =>
    (fields: unknown, message?: string): void => {
      entries.push({ level, message: message ?? String(fields), fields: Object(fields) })
    }
  return {
    entries,
    log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } as Log,
  }
}
