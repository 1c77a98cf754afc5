/**
 * The plugin socket and the control socket, open for the driver's whole life; what answers on them changes.
 *
 * A socket file that is gone (/run/docker/plugins was emptied) is made again at once: Docker finds a plugin
 * by its socket file alone.
 */
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { asDriverError } from '../core/errors.ts'
import type { App } from '../http-app.ts'
import type { Log } from '../log.ts'
import { createRunAgain } from '../loops/kit/run-again.ts'
import { type FileWatch, watchFile } from '../loops/kit/watch-file.ts'
import { type Listener, listenOn } from '../protocol/socket.ts'
import { giveToGroup, type SocketGroup } from './socket-group.ts'

export interface Apps {
  plugin: App
  control: App
}

export interface Sockets {
  use(apps: Apps): void
  /** Resolves when the requests that are under way are answered. */
  close(): Promise<void>
}

export interface SocketPaths {
  socket: string
  controlSocket: string
  /** The control socket gets its group. */
  dockerSocket?: string
}

/** The kernel tells of the folder's changes. Where it cannot, the socket file is looked at more often. */
const lookEveryMs = { told: 10_000, untold: 500 }
/** One look serves the changes of this time. */
const changesMs = 50

/** Throws `taken` when another driver answers on one of the sockets. */
export async function openSockets(paths: SocketPaths, first: Apps, log: Log): Promise<Sockets> {
  let apps = first
  const control = await keepListening(
    paths.controlSocket,
    (asked) => apps.control(asked),
    { mode: 0o660, group: { name: 'docker', dockerSocket: paths.dockerSocket } },
    log,
  )
  const plugin = await keepListening(paths.socket, (asked) => apps.plugin(asked), { mode: 0o600 }, log).catch(
    async (error: unknown) => {
      await control.close()
      throw error
    },
  )
  return {
    use(next) {
      apps = next
    },
    async close() {
      await plugin.close()
      await control.close()
    },
  }
}

/** Without a group, the socket is the driver's own. */
interface Access {
  mode: number
  group?: SocketGroup
}

async function keepListening(
  path: string,
  app: App,
  { mode, group }: Access,
  log: Log,
): Promise<Pick<Listener, 'close'>> {
  const open = async (): Promise<Listener> => {
    const listener = await listenOn(path, app, mode)
    if (group !== undefined) await giveToGroup(path, group, log)
    return listener
  }
  const closing = new Set<Promise<void>>()
  let current: Listener | undefined = await open()
  const look = async (): Promise<void> => {
    const inode = await inodeOf(path)
    if (current !== undefined && inode === current.inode) {
      // dockerd's socket may have come meanwhile.
      if (group !== undefined) await giveToGroup(path, group, log)
      return
    }
    log.warn({ path }, 'the socket file is gone or replaced: it is made again')
    // Closing removes the file at the path, so it comes first. Its open connections go on.
    if (current !== undefined) closing.add(current.leave())
    current = undefined
    current = await open()
  }
  let looking = Promise.resolve()
  const failed = (error: unknown): void => {
    log.error(
      { path, err: asDriverError(error) },
      'the socket cannot be made again; the next attempt follows soon',
    )
  }
  let watch: FileWatch | undefined
  const lookAndWatch = async (): Promise<void> => {
    watch?.close()
    // Before the look, which finds what was changed without a watch.
    watch = watchFolder(path, changed)
    await look().catch(failed)
    const wasWatched = watch !== undefined
    // The look may have made the folder, and looks again at what was changed before the watch.
    watch ??= watchFolder(path, changed)
    if (watch === undefined || current === undefined) again.after(lookEveryMs.untold)
    else again.after(wasWatched ? lookEveryMs.told : changesMs)
  }
  const again = createRunAgain(() => {
    looking = looking.then(lookAndWatch)
  })
  const changed = (): void => again.after(changesMs)
  await lookAndWatch()
  return {
    async close() {
      again.cancel()
      await looking
      watch?.close()
      again.cancel()
      await Promise.all([current?.close(), ...closing])
    },
  }
}

/** Watches the folder that has the file now. Undefined where it cannot. */
function watchFolder(path: string, changed: () => void): FileWatch | undefined {
  try {
    return watchFile(dirname(path), changed)
  } catch {
    // The socket file is looked at more often.
    return undefined
  }
}

async function inodeOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
  return found?.ino
}
