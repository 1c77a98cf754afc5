/**
 * What goes wrong around the lab and is not the fault of what is tested: exit code 2, one clear line.
 */
export class LabError extends Error {
  /** What the reader can do about it. */
  readonly hint: string | undefined

  constructor(message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'LabError'
    this.hint = options.hint
  }
}

/** `unknown host "net-9": allowed are consul-server, net-1, net-2` */
export function unknown(what: string, value: string, allowed: readonly string[]): LabError {
  return new LabError(`unknown ${what} ${JSON.stringify(value)}: allowed are ${allowed.join(', ')}`)
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The line that a person reads, for every thrown value. Defects keep their stack. */
export function explain(error: unknown): string {
  if (error instanceof AggregateError) return [...new Set(error.errors.map(explain))].join('\n')
  if (error instanceof LabError) return error.hint ? `${error.message}\n  ${error.hint}` : error.message
  if (isSystemError(error)) return systemError(error)
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** The system refused something: its own words say what and where, and the frames say nothing to a person. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'code' in error
}

function systemError({ code, message }: NodeJS.ErrnoException): string {
  const hint = code === undefined ? undefined : ways[code]
  return hint === undefined ? message : `${message}\n  ${hint}`
}

export const fullDisk = 'the disk is full: make room, then run it again'

const ways: Record<string, string> = {
  ENOSPC: fullDisk,
  EROFS: 'the disk is mounted read-only',
  EACCES: 'run it as root',
  EPERM: 'run it as root',
}
