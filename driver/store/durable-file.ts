/**
 * A file that a crash must not damage. After `writeDurably` the path has the old content or the new one, and
 * the new one is on disk when the call resolves.
 */
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DriverError } from '../core/errors.ts'

/** A file that could not be written is tried again so much later: a disk gets room, or is mounted anew. */
export const writtenAgainMs = 10_000

/** Undefined for a file that does not exist. */
export function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

/** Readable by root alone. Throws `kernel` where the file system refuses it: no space, read-only. */
export async function writeDurably(path: string, text: string): Promise<void> {
  try {
    await write(path, text)
  } catch (error) {
    throw unwritable(path, error)
  }
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

const hints: Record<string, string> = {
  ENOSPC: 'make room on its disk',
  EDQUOT: 'make room on its disk',
  EROFS: 'see the reason with dmesg, and mount its file system writable',
}

/** The error of a file that could not be written. Node's own names no file where the disk is full. */
export function unwritable(path: string, cause: unknown): DriverError {
  const { code = '', message } = cause as NodeJS.ErrnoException
  // Without the call: `EROFS: read-only file system, open '/…'`.
  const why = message.replace(/^(E[A-Z]+: [^,]*), .*$/s, '$1')
  return new DriverError('kernel', `${path} cannot be written: ${why}`, { hint: hints[code], cause })
}
