/**
 * The folder of the control socket and of what other programs read beside it. The unit's files are root's
 * alone (UMask), and members of a group must reach the socket: the mode of each file decides.
 */
import { mkdirSync } from 'node:fs'

/** With the folders above it. One that is there stays as it is. */
export function makeRunFolder(path: string): void {
  // Synchronous: the mask is that of the whole process.
  const mask = process.umask(0o022)
  try {
    mkdirSync(path, { recursive: true })
  } finally {
    process.umask(mask)
  }
}
