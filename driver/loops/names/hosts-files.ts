/**
 * The hosts files of this host's running containers: the path of each, the reason why the driver leaves one
 * alone, and whether another program has changed one since the driver wrote it.
 */
import { asDriverError, isCode } from '../../core/errors.ts'
import type { Link } from '../../core/links.ts'
import type { NameRecord } from '../../core/names.ts'
import type { Ip } from '../../core/records.ts'
import { engineDnsIn } from '../../core/resolv-conf.ts'
import type { EngineContainer } from '../../engine/engine.ts'
import type { Log } from '../../log.ts'
import { createWatchedFiles, type WatchedFiles, type WatchedFilesOptions } from './watched-files.ts'
import { hasRecords, putRecords, readIfPossible, stampOf } from './write-hosts-file.ts'

export interface HostsFiles {
  /** Adds a running container. False for a container that does not run. */
  learn(container: EngineContainer | undefined): boolean
  /**
   * Adds a container that the engine is starting. `path`: where the engine has made its hosts file. The file
   * is looked at as soon as it changes, until the container is learned: the engine writes it anew some
   * milliseconds before the first process runs.
   */
  expect(container: string, path: string): void
  knows(container: string): boolean
  forget(container: string): void
  /** Ids of the known containers. */
  ids(): string[]
  /** Of the container's `--link`. */
  links(container: string): readonly Link[]
  /** Whether the engine sends the container's questions to that DNS server, if it is configured for it. */
  asks(container: string, server: Ip): boolean
  /** Whether the container's questions go to the engine's own DNS. */
  asksEngine(container: string): boolean
  /**
   * `again`: another program is writing the file; call `put` again soon. `gone`: there is no file, and the
   * container may have ended before it was learned; inspect it. Failures go to the log and into `facts`.
   * `keepsOthers`: the records are not known to be all, and none is removed.
   */
  put(container: string, records: readonly NameRecord[], keepsOthers: boolean): 'done' | 'again' | 'gone'
  /** Containers whose file has changed since the last `put` that found nothing to write, or was not written. */
  changed(): string[]
  /** True while `changed` alone finds some changes, or a file whose last write failed. */
  needLooks(): boolean
  /** Names of the containers whose file differs from the records, without the files that the driver leaves alone. */
  differing(recordsOf: (container: string) => readonly NameRecord[]): string[]
  facts(): HostsFileFacts
  close(): void
}

export interface HostsFilesOptions extends Omit<WatchedFilesOptions, 'changed' | 'isUrgent'> {
  /** Where the driver finds the file system that the engine sees; empty when it is the driver's own. */
  fileRoot: string
  /** The container's file has changed, as `changed` tells it. */
  onChange(container: string): void
}

export interface HostsFileFacts {
  /** Hosts files with names of ours. */
  files: number
  /** Writes of hosts files since the start. */
  writes: number
  /** Containers whose hosts file the driver does not write. */
  skipped: { container: string; name: string; reason: string; path?: string }[]
}

interface HostsFile {
  id: string
  name: string
  path?: string
  /** Why the driver leaves the file alone, or the error of the last attempt. */
  reason?: string | undefined
  /** The last attempt failed. */
  failed?: boolean | undefined
  /** The engine is starting the container, and has not described it. */
  starting?: boolean
  /** The file was not there at the last attempt. `runs`: the engine has said since that the container runs. */
  gone?: 'unknown' | 'runs' | undefined
  /** `stampOf` the file when it last agreed with the records. */
  stamp?: string | undefined
  /**
   * Where the container's questions go: the servers that the engine asks for it, or servers that the driver
   * does not know; `elsewhere`: not all go to those servers; `past the engine`: none goes to the engine's
   * DNS.
   */
  dns: readonly string[] | 'unknown' | 'elsewhere' | 'past the engine'
  links: readonly Link[]
  records: number
  /** Attempts in a row that found the file empty or being written. */
  unsettled: number
}

/** After this many attempts an empty file is taken for one that is empty on purpose. */
const maxUnsettled = 10

interface HostsFilesState {
  log: Log
  fileRoot: string
  /** By container id. */
  files: Map<string, HostsFile>
  watched: WatchedFiles
  writes: number
}

export function createHostsFiles({ onChange, ...options }: HostsFilesOptions): HostsFiles {
  const { log, fileRoot } = options
  const files = new Map<string, HostsFile>()
  const watched = createWatchedFiles({
    ...options,
    changed(container) {
      const file = files.get(container)
      if (file !== undefined && hasChanged(file)) onChange(container)
    },
    isUrgent: (container) => files.get(container)?.starting === true,
  })
  const state: HostsFilesState = { log, fileRoot, files, watched, writes: 0 }
  return {
    learn: (container) => learn(state, container),
    expect(id, path) {
      files.set(id, {
        ...{ id, name: id.slice(0, 12), path: fileRoot + path, starting: true },
        ...{ dns: 'unknown', links: [], records: 0, unsettled: 0 },
      })
    },
    knows: (container) => files.has(container),
    forget(container) {
      files.delete(container)
      watched.drop(container)
    },
    ids: () => [...files.keys()],
    links: (container) => files.get(container)?.links ?? [],
    asks: (container, server) => asks(files.get(container)?.dns, server),
    asksEngine: (container) => files.get(container)?.dns !== 'past the engine',
    put: (container, records, keepsOthers) => put(state, container, records, keepsOthers),
    changed() {
      const named = [...files.values()].filter(({ records }) => records > 0)
      // Those that could not be watched before.
      for (const { id, path } of named) if (path !== undefined) watched.keep(id, path)
      return [...files.values()].filter(hasChanged).map(({ id }) => id)
    },
    needLooks: () => !watched.areAllWatched() || [...files.values()].some(({ failed }) => failed),
    differing: (recordsOf) =>
      [...files.values()]
        .filter(({ id, path, failed }) => !failed && path !== undefined && differs(path, recordsOf(id)))
        .map(({ name }) => name),
    facts() {
      const named = [...files.values()].filter(({ records }) => records > 0)
      return {
        files: named.filter(({ reason }) => reason === undefined).length,
        writes: state.writes,
        skipped: named.flatMap(({ id, name, reason, failed, path }) => {
          if (reason === undefined) return []
          const at = failed && path !== undefined ? { path: path.slice(fileRoot.length) } : {}
          return [{ container: id, name, reason, ...at }]
        }),
      }
    },
    close: watched.close,
  }
}

function hasChanged({ path, records, failed, stamp }: HostsFile): boolean {
  return (records > 0 || failed === true) && path !== undefined && stampOf(path) !== stamp
}

/** A file that cannot be reached is one of the problems in `status`, and not a difference. */
function differs(path: string, records: readonly NameRecord[]): boolean {
  try {
    return hasRecords(path, records) === false
  } catch {
    return false
  }
}

/**
 * The engine asks the next server after a failure alone: a first server that does not know the name ends the
 * question (moby's resolver.go).
 */
function asks(dns: HostsFile['dns'] = 'unknown', server: Ip): boolean {
  return dns === 'unknown' || dns[0] === server
}

function learn({ files, fileRoot }: HostsFilesState, container: EngineContainer | undefined): boolean {
  if (container?.running !== true) return false
  const { starting, records = 0, reason, failed, gone } = files.get(container.id) ?? {}
  files.set(container.id, {
    ...{ reason, failed, ...fileOf(container, fileRoot), unsettled: 0 },
    // The expected file may be another one.
    records: starting ? 0 : records,
    dns: dnsOf(container, fileRoot),
    links: linksOf(container),
    gone: gone && 'runs',
  })
  return true
}

function put(
  state: HostsFilesState,
  container: string,
  records: readonly NameRecord[],
  keepsOthers: boolean,
): ReturnType<HostsFiles['put']> {
  const { files, watched, log } = state
  const file = files.get(container)
  if (file === undefined) return 'done'
  const before = file.records
  file.records = records.length
  if (file.path === undefined) {
    watched.drop(container)
    if (before === 0 && records.length > 0) {
      log.warn({ container: file.name, reason: file.reason }, 'hosts file is left alone')
    }
    return 'done'
  }
  if (records.length > 0) watched.keep(container, file.path)
  else watched.drop(container)
  try {
    return write(state, file, file.path, records, keepsOthers)
  } catch (error) {
    const reason = asDriverError(error).line
    if (file.reason !== reason) log.warn({ container: file.name, reason }, 'hosts file cannot be written')
    // A file that would be too long is tried again when the names or the file change.
    const stamp = isCode(error, 'invalid') ? stampOf(file.path) : undefined
    Object.assign(file, { reason, failed: true, stamp })
    return 'done'
  }
}

function write(
  state: HostsFilesState,
  file: HostsFile,
  path: string,
  records: readonly NameRecord[],
  keepsOthers: boolean,
): ReturnType<HostsFiles['put']> {
  const stamp = stampOf(path)
  const outcome = putRecords(path, records, { evenIfEmpty: file.unsettled >= maxUnsettled, keepsOthers })
  if (outcome === 'unsettled') {
    file.unsettled += 1
    return 'again'
  }
  if (outcome === 'written') {
    state.writes += 1
    state.log.debug({ container: file.name, records: records.length }, 'hosts file written')
  }
  const gone = outcome === 'gone' ? (file.gone ?? 'unknown') : undefined
  // A written file is compared once more: a program that read the file before our write may write it after us.
  Object.assign(file, {
    stamp: outcome === 'unchanged' ? stamp : undefined,
    unsettled: 0,
    reason: undefined,
    failed: false,
    gone,
  })
  return gone === 'unknown' ? 'gone' : 'done'
}

function linksOf({ attachments }: EngineContainer): Link[] {
  return attachments.flatMap(({ endpoint, links }) => links.map((link) => ({ endpoint, ...link })))
}

function dnsOf(
  { id, dns, mounts, resolvConfPath = '' }: EngineContainer,
  fileRoot: string,
): HostsFile['dns'] {
  if (mounts.some(({ destination }) => destination === '/etc/resolv.conf')) return 'past the engine'
  const isEngines = resolvConfPath.endsWith(`/${id}/resolv.conf`)
  const { servers, forwardsSingleLabels } = engineDnsIn(
    (isEngines && readIfPossible(fileRoot + resolvConfPath)) || '',
  )
  if (!forwardsSingleLabels) return 'elsewhere'
  return servers ?? (dns.length === 0 ? 'unknown' : dns)
}

/**
 * For a container with `-v FILE:/etc/hosts`, the engine reports the user's FILE as the hosts file. The driver
 * leaves such a file alone: it may be the machine's own. A container with `--read-only` has the engine's file
 * as any other: the file is read-only for the container's programs alone, and the engine writes it too.
 */
function fileOf(
  { id, name, hostsPath, mounts }: EngineContainer,
  fileRoot: string,
): Pick<HostsFile, 'id' | 'name' | 'path' | 'reason'> {
  if (mounts.some(({ destination }) => destination === '/etc/hosts')) {
    return { id, name, reason: 'a file of the user’s is mounted over /etc/hosts' }
  }
  if (hostsPath === undefined) return { id, name, reason: 'the engine made no hosts file for the container' }
  if (!hostsPath.endsWith(`/${id}/hosts`)) {
    return { id, name, reason: `its hosts file is ${hostsPath}, which is not the engine’s` }
  }
  return { id, name, path: fileRoot + hostsPath }
}
