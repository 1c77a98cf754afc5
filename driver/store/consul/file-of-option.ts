import { readFileSync } from 'node:fs'
import { DriverError } from '../../core/errors.ts'

/** Throws `unavailable`: the file may come later than the driver. */
export function fileOfOption(option: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    const message = `${option}=${file} cannot be read: ${(cause as Error).message}`
    throw new DriverError('unavailable', message, { hint: 'put the file there, or name another one', cause })
  }
}
