/**
 * The store's copy of the snapshot on disk: read when the driver starts, kept current afterwards. It is what
 * a driver knows that starts while Consul does not answer.
 */
import { asDriverError } from '../core/errors.ts'
import type { Snapshot } from '../core/records.ts'
import { emptySnapshot } from '../core/snapshot.ts'
import type { Log } from '../log.ts'
import { createSaver, openDiskCopyFile, readDiskCopyFile } from './disk-copy-file.ts'
import { writtenAgainMs } from './durable-file.ts'
import type { Position } from './incarnation.ts'
import type { ChangedKey } from './store.ts'

export interface DiskCopy {
  /** As it was read; empty when there is no copy. */
  snapshot: Snapshot
  /** What this host knew of the store's past when the copy was saved last. */
  position: Position
  /** A part of it could not be read, or all of it: there were more records. */
  isDamaged: boolean
  update(snapshot: Snapshot, keys: readonly ChangedKey[]): void
  remember(position: Position): void
  flush(): Promise<void>
  /** Why the file is older than the snapshot. */
  failure(): string | undefined
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
  if (diskPath === undefined) return withoutFile()
  let isUnread = false
  const saved = await readDiskCopyFile(diskPath, store).catch((error) => {
    isUnread = true
    log.warn({ err: error, path: diskPath }, 'the copy of the store on disk cannot be read and is ignored')
    return undefined
  })
  const unreadable = saved?.unreadable ?? 0
  if (unreadable > 0)
    log.warn(
      { path: diskPath, unreadable },
      'lines of the copy of the store on disk cannot be read: what they said is unknown until Consul answers',
    )
  const disk = openDiskCopyFile(diskPath, store)
  let current = saved?.snapshot ?? emptySnapshot()
  let position: Position = saved?.position ?? { segment: 0 }
  let changed = new Map<string, ChangedKey>()
  let failure: string | undefined
  const told = (error?: unknown): void => {
    const before = failure
    failure = error === undefined ? undefined : asDriverError(error).line
    if (failure !== undefined && failure !== before)
      log.error({ err: error, path: diskPath }, 'the copy of the store on disk cannot be written')
  }
  const saver = createSaver({ everyMs: saveEveryMs, againMs: writtenAgainMs, told }, () => {
    const keys = changed.values()
    changed = new Map()
    return disk.save(current, keys, position)
  })
  return {
    snapshot: current,
    position,
    isDamaged: isUnread || unreadable > 0,
    update(snapshot, keys) {
      current = snapshot
      for (const at of keys) changed.set(`${at.table}/${at.key}`, at)
      saver.touch()
    },
    remember(now) {
      if (isSame(now, position)) return
      position = now
      saver.touch()
    },
    flush: saver.flush,
    failure: () => failure,
  }
}

function withoutFile(): DiskCopy {
  const nothing = (): undefined => undefined
  return {
    snapshot: emptySnapshot(),
    position: { segment: 0 },
    isDamaged: false,
    update: nothing,
    remember: nothing,
    flush: async () => undefined,
    failure: nothing,
  }
}

function isSame(a: Position, b: Position): boolean {
  const { cluster, segment, entry, isPartial } = b
  return (
    a.cluster?.id === cluster?.id &&
    a.cluster?.restored === cluster?.restored &&
    a.segment === segment &&
    a.entry === entry &&
    a.isPartial === isPartial
  )
}
