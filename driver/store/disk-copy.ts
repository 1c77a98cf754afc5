/**
 * The copy of the snapshot on disk as the store uses it: believed at start, kept up to date afterwards.
 */
import type { Snapshot } from '../core/records.ts'
import { emptySnapshot } from '../core/snapshot.ts'
import type { Log } from '../log.ts'
import { createSaver, openDiskCopyFile, readDiskCopyFile } from './disk-copy-file.ts'
import type { ChangedKey } from './store.ts'

export interface Copy {
  snapshot: Snapshot
  touch(snapshot: Snapshot, keys: readonly ChangedKey[]): void
  flush(): Promise<void>
}

export interface CopyOptions {
  diskPath?: string
  saveEveryMs?: number
}

export async function openDiskCopy(
  { diskPath, saveEveryMs = 1000 }: CopyOptions,
  store: string,
  log: Log,
): Promise<Copy> {
  if (diskPath === undefined) {
    return { snapshot: emptySnapshot(), touch: () => undefined, flush: async () => undefined }
  }
  const known = await readDiskCopyFile(diskPath, store).catch((error) => {
    log.warn({ err: error, path: diskPath }, 'the copy of the store on disk cannot be read and is left out')
    return undefined
  })
  const disk = openDiskCopyFile(diskPath, store)
  let current = known ?? emptySnapshot()
  let changed = new Map<string, ChangedKey>()
  const failed = (error: unknown): void =>
    log.error({ err: error, path: diskPath }, 'no copy of the store was saved')
  const saver = createSaver({ everyMs: saveEveryMs, failed }, () => {
    const keys = changed.values()
    changed = new Map()
    return disk.save(current, keys)
  })
  return {
    snapshot: current,
    touch(snapshot, keys) {
      current = snapshot
      for (const at of keys) changed.set(`${at.table}/${at.key}`, at)
      saver.touch()
    },
    flush: saver.flush,
  }
}
