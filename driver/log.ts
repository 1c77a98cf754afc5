/** The part of pino's logger that the driver uses: JSON lines, fields before the message. */
import type { Logger } from 'pino'

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>

const discard = (): void => undefined
export const silentLog: Log = { debug: discard, info: discard, warn: discard, error: discard }
