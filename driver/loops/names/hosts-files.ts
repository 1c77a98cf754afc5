/**
 * The hosts files of this host's running containers: which one is whose, which are left alone and why, and whether
 * somebody has changed one since it was last looked at.
 */
import { asDriverError } from '../../core/errors.ts'
import type { NameRecord } from '../../core/names.ts'
import type { EngineContainer } from '../../engine/engine.ts'
import type { Log } from '../../log.ts'
import { hasRecords, putRecords, stampOf } from './write-hosts-file.ts'

export interface HostsFiles {
  /** Remembers it while it runs; false when it does not. */
  learn(container: EngineContainer | undefined): boolean
  knows(container: string): boolean
  forget(container: string): void
  /** All that are known, as they are after the engine has named all that run. */
  learnAll(containers: readonly EngineContainer[]): string[]
  /** `again` when somebody is just writing it. */
  put(container: string, records: readonly NameRecord[]): 'done' | 'again'
  /** Containers whose file has changed since, or was not looked at since it was written. */
  changed(): string[]
  /** Names of the containers whose file does not say what it should, among those that we write. */
  differing(recordsOf: (container: string) => readonly NameRecord[]): string[]
  facts(): HostsFileFacts
}

export interface HostsFileFacts {
  /** Hosts files that name somebody. */
  files: number
  /** How often one was written since the start. */
  writes: number
  /** Containers whose file is left alone. */
  skipped: { container: string; name: string; reason: string }[]
}

interface HostsFile {
  id: string
  name: string
  path?: string
  /** Why it is left alone, or what failed. */
  reason?: string | undefined
  /** As it was when it had what it should have. */
  stamp?: string | undefined
  records: number
  /** How often in a row it was found in the making. */
  unsettled: number
}

/** After so many looks an empty file is meant to be empty. */
const patience = 10

export function createHostsFiles(log: Log): HostsFiles {
  const files = new Map<string, HostsFile>()
  let writes = 0

  const learn = (container: EngineContainer | undefined): boolean => {
    if (container?.running !== true) return false
    const { records = 0, reason } = files.get(container.id) ?? {}
    files.set(container.id, { reason, ...fileOf(container), records, unsettled: 0 })
    return true
  }
  const write = (file: HostsFile, path: string, records: readonly NameRecord[]): 'done' | 'again' => {
    const stamp = stampOf(path)
    const outcome = putRecords(path, records, { evenIfEmpty: file.unsettled >= patience })
    if (outcome === 'gone') files.delete(file.id)
    if (outcome === 'unsettled') {
      file.unsettled += 1
      return 'again'
    }
    if (outcome === 'written') {
      writes += 1
      log.debug({ container: file.name, records: records.length }, 'hosts file written')
    }
    // What was just written is looked at once more: somebody who read it before may write it after us.
    Object.assign(file, {
      stamp: outcome === 'unchanged' ? stamp : undefined,
      unsettled: 0,
      reason: undefined,
    })
    return 'done'
  }
  const complain = (file: HostsFile, reason: string): void => {
    if (file.reason !== reason) log.warn({ container: file.name, reason }, 'hosts file cannot be written')
    Object.assign(file, { reason, stamp: undefined })
  }
  return {
    learn,
    knows: (container) => files.has(container),
    forget: (container) => void files.delete(container),
    learnAll(containers) {
      const running = new Set(containers.filter(learn).map(({ id }) => id))
      for (const id of files.keys()) if (!running.has(id)) files.delete(id)
      return [...running]
    },
    put(container, records) {
      const file = files.get(container)
      if (file === undefined) return 'done'
      const before = file.records
      file.records = records.length
      if (file.path === undefined) {
        if (before === 0 && records.length > 0) {
          log.warn({ container: file.name, reason: file.reason }, 'hosts file is left alone')
        }
        return 'done'
      }
      try {
        return write(file, file.path, records)
      } catch (error) {
        complain(file, asDriverError(error).line)
        return 'done'
      }
    },
    changed: () =>
      [...files.values()]
        .filter(({ path, records, stamp }) => records > 0 && path !== undefined && stampOf(path) !== stamp)
        .map(({ id }) => id),
    differing: (recordsOf) =>
      [...files.values()]
        .filter(({ id, path }) => path !== undefined && hasRecords(path, recordsOf(id)) === false)
        .map(({ name }) => name),
    facts() {
      const named = [...files.values()].filter(({ records }) => records > 0)
      return {
        files: named.filter(({ reason }) => reason === undefined).length,
        writes,
        skipped: named.flatMap(({ id, name, reason }) =>
          reason === undefined ? [] : [{ container: id, name, reason }],
        ),
      }
    },
  }
}

/**
 * A container with a hosts file of the user's (`-v FILE:/etc/hosts`) names that very file as its own: it must be left
 * alone, as it may be the machine's. One with `--read-only` has the engine's file like any other, and the engine
 * writes it too: read-only is what the container's own programs see.
 */
function fileOf({
  id,
  name,
  hostsPath,
  mounts,
}: EngineContainer): Pick<HostsFile, 'id' | 'name' | 'path' | 'reason'> {
  if (mounts.some(({ destination }) => destination === '/etc/hosts')) {
    return { id, name, reason: 'a file of the user’s is mounted over /etc/hosts' }
  }
  if (hostsPath === undefined) return { id, name, reason: 'the engine has made no hosts file for it' }
  if (!hostsPath.endsWith(`/${id}/hosts`)) {
    return { id, name, reason: `its hosts file is ${hostsPath}, which is not the engine’s` }
  }
  return { id, name, path: hostsPath }
}
