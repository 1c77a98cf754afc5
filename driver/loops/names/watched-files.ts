/**
 * Notices changes of hosts files at once. Each file has a watch of its own: the folder around it has the
 * container's log, too, which changes all the time.
 *
 * The engine writes a hosts file in place, and another program may put a new file there. A watch belongs to
 * the file and not to its path, so it is made anew when another file has taken the place. It ends with the
 * first change and is made again when the caller looks. A file that cannot be watched is the caller's to look
 * at.
 */
import { statSync } from 'node:fs'
import type { Log } from '../../log.ts'
import { type FileWatch, type WatchFile, watchFile } from '../kit/watch-file.ts'

export interface WatchedFiles {
  /** Watches the file that is at the path now. To be called before the file is read. */
  keep(container: string, path: string): void
  drop(container: string): void
  /** False while some of the files are not watched. */
  areAllWatched(): boolean
  close(): void
}

export interface WatchedFilesOptions {
  /** The container's file may be another one. */
  changed(container: string): void
  /** The container's file is to be looked at as soon as it changes, however often it does. */
  isUrgent(container: string): boolean
  log: Log
  watch?: WatchFile | undefined
}

interface Watched {
  readonly path: string
  /** `inodeOf` the file that is watched. */
  inode: bigint | undefined
  watch: FileWatch | undefined
  /** By performance.now(). */
  toldAt: number
  /** Ends the pause between a change and the look at the file. */
  telling: NodeJS.Timeout | undefined
}

interface State {
  readonly options: WatchedFilesOptions
  readonly watched: Map<string, Watched>
  complained: boolean
}

/** The engine empties a file and then writes it. A file that goes on changing is looked at less often. */
const pauseMs = { urgent: 1, first: 20, next: 500 }

export function createWatchedFiles(options: WatchedFilesOptions): WatchedFiles {
  const state: State = { options, watched: new Map(), complained: false }
  return {
    keep: (container, path) => keep(state, container, path),
    drop: (container) => drop(state, container),
    areAllWatched: () => [...state.watched.values()].every(({ watch, telling }) => watch ?? telling),
    close() {
      for (const container of state.watched.keys()) drop(state, container)
    },
  }
}

function keep(state: State, container: string, path: string): void {
  const { options, watched } = state
  const { watch = watchFile } = options
  if (watched.get(container)?.path !== path) drop(state, container)
  const file: Watched = watched.get(container) ?? {
    ...{ path, inode: undefined, watch: undefined },
    ...{ toldAt: Number.NEGATIVE_INFINITY, telling: undefined },
  }
  watched.set(container, file)
  // Before the watch: if the file is replaced in between, the inode is the old one's and the next call sees it.
  const inode = inodeOf(path)
  if (file.watch !== undefined && file.inode === inode) return
  end(file)
  file.inode = inode
  try {
    const made = watch(path, () => {
      if (file.watch !== made) return
      // A file that changes all the time would wake the driver each time. Another file may be there by now.
      end(file)
      tell(state, container, file)
    })
    file.watch = made
  } catch (error) {
    complain(state, path, error as NodeJS.ErrnoException)
  }
}

/** The watch is made again before the caller looks, so that no change is missed. */
function tell(state: State, container: string, file: Watched): void {
  const { changed, isUrgent } = state.options
  const usualMs = Math.max(pauseMs.first, file.toldAt + pauseMs.next - performance.now())
  file.telling ??= setTimeout(
    () => {
      file.telling = undefined
      file.toldAt = performance.now()
      if (state.watched.get(container) !== file) return
      keep(state, container, file.path)
      changed(container)
    },
    isUrgent(container) ? pauseMs.urgent : usualMs,
  )
}

/** A file that is not there is looked for, and is no reason to complain. */
function complain(state: State, path: string, { code, message }: NodeJS.ErrnoException): void {
  if (code === 'ENOENT' || state.complained) return
  state.complained = true
  state.options.log.warn(
    { path, reason: message, hint: 'raise fs.inotify.max_user_watches or fs.inotify.max_user_instances' },
    'hosts files cannot be watched: they are looked at more often',
  )
}

function drop({ watched }: State, container: string): void {
  const file = watched.get(container)
  if (file === undefined) return
  watched.delete(container)
  clearTimeout(file.telling)
  end(file)
}

function end(file: Watched): void {
  file.watch?.close()
  file.watch = undefined
}

function inodeOf(path: string): bigint | undefined {
  try {
    return statSync(path, { bigint: true }).ino
  } catch {
    // The watch says why.
    return undefined
  }
}
