/**
 * Puts our records into a container's hosts file, in place: it is the source of a bind mount, so another file of the
 * same name would never be seen in the container.
 *
 * Nobody locks such a file: libnetwork appends or rewrites it, programs in the container append. So the text is compared once more
 * right before it is written, only what differs is written, in one call, and the file gets longer by an append and
 * shorter only when nobody has appended meanwhile. A reader sees the old or the new records, and at worst a comment of
 * tabs between the two. Two windows of some microseconds remain: a line appended between the last look at the size and the
 * cut, and a rewrite by somebody who read before us; the second is found by whoever compares `stampOf` later.
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
 * `gone`: there is no such file any more. `unsettled`: somebody is just writing it (it is empty for that moment), or
 * was faster each time; try again soon.
 */
export type PutOutcome = 'unchanged' | 'written' | 'gone' | 'unsettled'

export interface PutOptions {
  /** An empty file is believed to be meant so. */
  evenIfEmpty?: boolean
  /** For tests: called between the first look at the text and its comparison. */
  beforeWrite?(): void
}

const attempts = 5
/** Programs in the container can write it; the driver will not hold whatever they do in memory. */
const largestBytes = 1 << 20

/** Throws what the file system says, `invalid` when the file is larger than any hosts file. */
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

/** Whether the file says what it should; undefined when it is gone. */
export function hasRecords(path: string, records: readonly NameRecord[]): boolean | undefined {
  const fd = openExisting(path, constants.O_RDONLY)
  if (fd === undefined) return undefined
  try {
    const text = textOf(fd, path)
    return mergeHostsFile(text, records) === text
  } finally {
    closeSync(fd)
  }
}

/** Another text whenever the file has changed; undefined when it is gone. */
export function stampOf(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? undefined : `${stat.ino} ${stat.size} ${stat.mtimeNs}`
}

/** Undefined when somebody else has changed it meanwhile. */
function tryPut(
  fd: number,
  path: string,
  records: readonly NameRecord[],
  { evenIfEmpty = false, beforeWrite }: PutOptions,
): PutOutcome | undefined {
  const have = textOf(fd, path)
  if (have === '' && !evenIfEmpty) return 'unsettled'
  const want = mergeHostsFile(have, records)
  if (want === have) return 'unchanged'
  beforeWrite?.()
  const grown = have + (want.length > have.length ? padding(Math.max(4, want.length - have.length)) : '')
  if (grown !== have) append(path, grown.slice(have.length))
  if (textOf(fd, path) !== grown) return undefined
  writeFrom(fd, grown, want + padding(grown.length - want.length))
  if (fstatSync(fd).size !== grown.length) return undefined
  ftruncateSync(fd, want.length)
  return textOf(fd, path) === want ? 'written' : undefined
}

/** One character per byte: what is not ours is nobody's to decode. */
function textOf(fd: number, path: string): string {
  const { size } = fstatSync(fd)
  if (size > largestBytes) {
    throw new DriverError(
      'invalid',
      `${path} has ${size} bytes; hosts files up to ${largestBytes} are looked at`,
    )
  }
  const bytes = Buffer.alloc(size)
  return bytes.subarray(0, readSync(fd, bytes, 0, size, 0)).toString('latin1')
}

/** From the first byte that differs. */
function writeFrom(fd: number, have: string, want: string): void {
  let at = 0
  while (at < want.length && have[at] === want[at]) at++
  const bytes = Buffer.from(want.slice(at), 'latin1')
  if (bytes.length > 0) writeSync(fd, bytes, 0, bytes.length, at)
}

/** At the end as it is at that moment, whoever has just appended. */
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
