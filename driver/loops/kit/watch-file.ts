/** Tells at once of changes of a file, or of a folder's entries: the kernel's inotify. */
import { watch } from 'node:fs'

export interface FileWatch {
  close(): void
}

/**
 * `rename`: the file, or an entry of the folder, was made, moved or removed. The watch stays with the file
 * that was at the path, and ends with it. Throws where the kernel has no watch to spare (`ENOSPC`, `EMFILE`)
 * and where no file is at the path (`ENOENT`).
 */
export type WatchFile = (path: string, changed: (what: 'change' | 'rename') => void) => FileWatch

export const watchFile: WatchFile = (path, changed) => {
  const watcher = watch(path, { persistent: false }, changed)
  watcher.on('error', () => changed('rename'))
  return watcher
}
