/**
 * The driver's error class and the closed list of its codes.
 *
 * Docker prints the message to the person who typed the command. So it names the value, the allowed values,
 * and (the hint) what to do next. Catch by code, never by text.
 */
export type ErrorCode =
  /** the request is malformed or has a value that is not allowed */
  | 'invalid'
  /** the named network, endpoint, service or host does not exist */
  | 'not-found'
  /** a network, container or service already has the requested name, VNI, pool or address */
  | 'taken'
  /** every address of the pool, or every pool of the list, is in use */
  | 'exhausted'
  /** it cannot be removed because it is in use */
  | 'in-use'
  /** a record changed between read and write; read again and try again */
  | 'conflict'
  /** Consul, the engine or the kernel did not answer in time */
  | 'unavailable'
  /** a value in the store does not match its schema; the message names the key */
  | 'corrupt'
  /** the kernel refused an operation */
  | 'kernel'
  /** a defect of the driver itself */
  | 'internal'

export class DriverError extends Error {
  readonly code: ErrorCode
  /** What the reader can do about it; no full stop. */
  readonly hint: string | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'DriverError'
    this.code = code
    this.hint = options.hint
  }

  /** The line that Docker shows: the message and the hint. */
  get line(): string {
    return this.hint === undefined ? this.message : `${this.message}; ${this.hint}`
  }
}

export function isCode(error: unknown, ...codes: ErrorCode[]): error is DriverError {
  return error instanceof DriverError && codes.includes(error.code)
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Any thrown value as a DriverError. A foreign error is a defect: code `internal`, with its cause. */
export function asDriverError(error: unknown): DriverError {
  if (error instanceof DriverError) return error
  return new DriverError('internal', messageOf(error), { cause: error })
}
