/**
 * What the store needs of a logger: pino's own shape, so that pino fits.
 */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

const nothing = (): void => undefined
export const silent: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
