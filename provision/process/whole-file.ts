/**
 * Files that are written as a whole or not at all: another process reads the earlier content or the new one,
 * and a full disk leaves the earlier one.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** Makes the file's folder for its owner alone. */
export function writeWhole(file: string, text: string, mode?: number): void {
  renameSync(writePart(file, text, mode), file)
}

/** Path of a file beside it with the text, which is to be renamed or removed. */
export function writePart(file: string, text: string, mode = 0o666): string {
  const part = `${file}.part-${process.pid}`
  mkdirSync(dirname(part), { recursive: true, mode: 0o700 })
  try {
    writeFileSync(part, text, { mode })
  } catch (error) {
    rmSync(part, { force: true })
    throw error
  }
  return part
}
