/**
 * Puts our records into a container's hosts file, in place. The file is the source of a bind mount: the
 * container would not see another file of the same name.
 *
 * No program locks such a file: libnetwork appends to it or rewrites it, programs in the container append. So
 * `putRecords` compares the text once more right before the write, and writes only the bytes that differ, in
 * one call. It makes the file longer by an append, and shorter only if the size has not changed meanwhile. A
 * reader sees the old or the new records, and at worst a comment of tabs between the two.
 *
 * Two windows of some microseconds remain: a line appended between the last check of the size and the
 * truncation is lost, and a program that read the file before our write may write the old text after it. The
 * caller finds the second by comparing `stampOf` later.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs'
import { DriverError } from '../../core/errors.ts'
import { mergeHostsFile, padding } from '../../core/hosts-file-text.ts'
import type { NameRecord } from '../../core/names.ts'

/**
 * `gone`: the file does not exist any more. `unsettled`: the file is empty, as while libnetwork writes it, or
 * another program changed it during every attempt. Try again soon.
 */
export type PutOutcome = 'unchanged' | 'written' | 'gone' | 'unsettled'

export interface PutOptions {
  /** Also writes into an empty file. */
  evenIfEmpty?: boolean
  /** Removes no record. */
  keepsOthers?: boolean
  /** For tests: called between the first read of the text and its comparison. */
  beforeWrite?(): void
}

const attempts = 5
/** Programs in the container can write the file. The limit bounds the driver's memory. */
const largestBytes = 1 << 20

/** Throws errors of the file system, and `invalid` for a file that is above `largestBytes` or would be. */
export function putRecords(
  path: string,
  records: readonly NameRecord[],
  options: PutOptions = {},
): PutOutcome {
  const fd = openExisting(path, constants.O_RDWR)
  if (fd === undefined) return 'gone'
  try {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const outcome = tryPut(fd, path, records, options)
      if (outcome !== undefined) return outcome
    }
    return 'unsettled'
  } finally {
    closeSync(fd)
  }
}

/** Whether the file agrees with the records; undefined for a missing file. */
export function hasRecords(path: string, records: readonly NameRecord[]): boolean | undefined {
  const text = textAt(path)
  return text === undefined ? undefined : mergeHostsFile(text, records) === text
}

/** Undefined for a file that is missing, too large, or cannot be read. */
export function readIfPossible(path: string): string | undefined {
  try {
    return textAt(path)
  } catch {
    return undefined
  }
}

/** Undefined for a missing file. Throws as `putRecords` does. */
function textAt(path: string): string | undefined {
  const fd = openExisting(path, constants.O_RDONLY)
  if (fd === undefined) return undefined
  try {
    return textOf(fd, path)
  } finally {
    closeSync(fd)
  }
}

/**
 * Differs after each change of the file: inode, size and time. Undefined for a file that is missing or cannot
 * be reached.
 */
export function stampOf(path: string): string | undefined {
  try {
    const stat = statSync(path, { bigint: true })
    return `${stat.ino} ${stat.size} ${stat.mtimeNs}`
  } catch {
    // `putRecords` says why.
    return undefined
  }
}

/** Undefined when another program has changed the file meanwhile. */
function tryPut(
  fd: number,
  path: string,
  records: readonly NameRecord[],
  { evenIfEmpty = false, keepsOthers = false, beforeWrite }: PutOptions,
): PutOutcome | undefined {
  const have = textOf(fd, path)
  if (have === '' && !evenIfEmpty) return 'unsettled'
  const want = mergeHostsFile(have, records, keepsOthers)
  if (want === have) return 'unchanged'
  const grown = have + (want.length > have.length ? padding(Math.max(4, want.length - have.length)) : '')
  if (grown.length > largestBytes) throw tooLong(path)
  beforeWrite?.()
  if (grown !== have) append(path, grown.slice(have.length))
  if (textOf(fd, path) !== grown) return undefined
  writeFrom(fd, grown, want + padding(grown.length - want.length))
  if (fstatSync(fd).size !== grown.length) return undefined
  // Not to the size that it has: a line that is appended in this moment would be lost.
  if (want.length < grown.length) ftruncateSync(fd, want.length)
  return textOf(fd, path) === want ? 'written' : undefined
}

function tooLong(path: string): DriverError {
  const message = `${path} would be too long with its names; the driver writes hosts files up to ${largestBytes} bytes`
  return new DriverError('invalid', message, {
    hint: "let the container ask the driver's DNS, whose names need no file",
  })
}

/** One character per byte (latin1), so that foreign lines of any encoding stay as they are. */
function textOf(fd: number, path: string): string {
  const { size } = fstatSync(fd)
  if (size > largestBytes) {
    throw new DriverError(
      'invalid',
      `${path} has ${size} bytes; the driver writes hosts files up to ${largestBytes} bytes`,
    )
  }
  const bytes = Buffer.alloc(size)
  return bytes.subarray(0, readSync(fd, bytes, 0, size, 0)).toString('latin1')
}

/** Writes from the first byte that differs. */
function writeFrom(fd: number, have: string, want: string): void {
  let at = 0
  while (at < want.length && have[at] === want[at]) at++
  const bytes = Buffer.from(want.slice(at), 'latin1')
  if (bytes.length > 0) writeSync(fd, bytes, 0, bytes.length, at)
}

/** Appends with O_APPEND: behind the present end, also if another program has just appended. */
function append(path: string, text: string): void {
  const fd = openExisting(path, constants.O_WRONLY | constants.O_APPEND)
  if (fd === undefined) return
  try {
    writeSync(fd, Buffer.from(text, 'latin1'))
  } finally {
    closeSync(fd)
  }
}

function openExisting(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags | constants.O_NOFOLLOW)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
