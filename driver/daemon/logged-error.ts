import { stdSerializers } from 'pino'
import { DriverError } from '../core/errors.ts'

/**
 * The field `err` of a line of the log. A DriverError says what happened, and its stack would be a kilobyte
 * for every loop that waits for Docker or Consul. Another error, or code `internal`, is a defect: with its
 * stack.
 */
export function loggedError(error: unknown): object {
  if (!(error instanceof DriverError) || error.code === 'internal') return stdSerializers.err(error as Error)
  const { code, message, hint } = error
  return { code, message, hint }
}
