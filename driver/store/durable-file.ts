/**
 * Writes a file that a crash must not take: the path has the old content or the new, and the new one is on
 * disk when the call resolves.
 */
import { mkdir, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Readable by root alone. Throws what the file system says: no space, read-only. */
export async function writeDurably(path: string, text: string): Promise<void> {
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
