/**
 * The mounts that this process sees. The kernel writes blanks, `#`, `=` and other characters of a path as
 * three octal digits. Source: proc(5), /proc/PID/mountinfo.
 */
import { readFileSync } from 'node:fs'

interface Mount {
  point: string
  /** Of its file system: `lowerdir=/a`, `rw`. */
  options: string[]
}

/** In the order in which they were made. */
export function mounts(text = readFileSync('/proc/self/mountinfo', 'utf8')): Mount[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split(' '))
    .map((fields) => ({
      point: decoded(fields[4] ?? ''),
      options: (fields.at(-1) ?? '').split(',').map(decoded),
    }))
}

function decoded(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)))
}
