/**
 * The copy of the snapshot on disk as the store uses it: believed at start, kept up to date afterwards.
 */
import type { Snapshot } from '../core/model.ts'
import { emptySnapshot } from '../core/snapshot.ts'
import { createSaver, loadSnapshot, saveSnapshot } from './disk.ts'
import type { Log } from './log.ts'
import type { Replica } from './replica.ts'

export interface Copy {
  snapshot: Snapshot
  of(replica: Replica): void
  touch(): void
  flush(): Promise<void>
}

export interface CopyOptions {
  diskPath?: string
  saveEveryMs?: number
}

export async function copyOnDisk(
  { diskPath, saveEveryMs = 1000 }: CopyOptions,
  store: string,
  log: Log,
): Promise<Copy> {
  if (diskPath === undefined) {
    const nothing = (): void => undefined
    return { snapshot: emptySnapshot(), of: nothing, touch: nothing, flush: async () => undefined }
  }
  const snapshot = await loadSnapshot(diskPath, store).catch((error) => {
    log.warn({ err: error, path: diskPath }, 'the copy of the store on disk cannot be read and is left out')
    return undefined
  })
  let current = (): Snapshot => snapshot ?? emptySnapshot()
  const failed = (error: unknown): void =>
    log.error({ err: error, path: diskPath }, 'no copy of the store was saved')
  const saver = createSaver({ everyMs: saveEveryMs, failed }, () => saveSnapshot(diskPath, store, current()))
  return {
    ...saver,
    snapshot: current(),
    of: (replica) => {
      current = replica.snapshot
    },
  }
}
