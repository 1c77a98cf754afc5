/**
 * The driver's one error class and the closed list of what can go wrong.
 *
 * Docker prints the message to whoever typed the command, so it is written for them: it names the value,
 * what would have been allowed, and (the hint) what to do next. Catch by code, never by text.
 */
export type ErrorCode =
  /** the request itself is malformed or carries a value that is not allowed */
  | 'invalid'
  /** the network, endpoint, service or host that was named does not exist */
  | 'not-found'
  /** somebody else holds what was to be claimed: a name, VNI, pool, address or service */
  | 'taken'
  /** every address of the pool, or every pool of the list, is in use */
  | 'exhausted'
  /** it exists and cannot go yet, since something uses it */
  | 'in-use'
  /** a record changed between our read and our write; read again and optimisticTransaction anew */
  | 'conflict'
  /** Consul, the engine or the kernel did not answer in time */
  | 'unavailable'
  /** a value in the store is not of its schema; the key is named */
  | 'corrupt'
  /** the kernel refused an operation */
  | 'kernel'
  /** a defect of the driver itself */
  | 'internal'

export class DriverError extends Error {
  readonly code: ErrorCode
  /** What the reader can do about it; a sentence without a full stop. */
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'DriverError'
    this.code = code
    this.hint = options.hint
  }

  /** The line that Docker shows: message, then the way out. */
  get line(): string {
    return this.hint === undefined ? this.message : `${this.message}; ${this.hint}`
  }
}

export function isCode(error: unknown, ...codes: ErrorCode[]): error is DriverError {
  return error instanceof DriverError && codes.includes(error.code)
}

/** Whatever was thrown, as a DriverError: what is not ours is a defect, with its cause kept. */
export function asDriverError(error: unknown): DriverError {
  if (error instanceof DriverError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new DriverError('internal', message, { cause: error })
}
