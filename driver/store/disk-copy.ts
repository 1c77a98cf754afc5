/**
 * The store's copy of the snapshot on disk: read when the driver starts, kept current afterwards. It is what
 * a driver knows that starts while Consul does not answer.
 */
import type { Snapshot } from '../core/records.ts'
import { emptySnapshot } from '../core/snapshot.ts'
import type { Log } from '../log.ts'
import { createSaver, openDiskCopyFile, readDiskCopyFile } from './disk-copy-file.ts'
import type { ChangedKey } from './store.ts'

export interface DiskCopy {
  /** As it was read; empty when there is no copy. */
  snapshot: Snapshot
  /** Records that these keys changed; they are saved within `saveEveryMs`. */
  update(snapshot: Snapshot, keys: readonly ChangedKey[]): void
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
): Promise<DiskCopy> {
  if (diskPath === undefined) {
    return { snapshot: emptySnapshot(), update: () => undefined, flush: async () => undefined }
  }
  const saved = await readDiskCopyFile(diskPath, store).catch((error) => {
    log.warn({ err: error, path: diskPath }, 'the copy of the store on disk cannot be read and is ignored')
    return undefined
  })
  const file = openDiskCopyFile(diskPath, store)
  let current = saved ?? emptySnapshot()
  let changed = new Map<string, ChangedKey>()
  const failed = (error: unknown): void =>
    log.error({ err: error, path: diskPath }, 'the copy of the store on disk cannot be written')
  const saver = createSaver({ everyMs: saveEveryMs, failed }, () => {
    const keys = changed.values()
    changed = new Map()
    return file.save(current, keys)
  })
  return {
    snapshot: current,
    update(snapshot, keys) {
      current = snapshot
      for (const at of keys) changed.set(`${at.table}/${at.key}`, at)
      saver.touch()
    },
    flush: saver.flush,
  }
}
