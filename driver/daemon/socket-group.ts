/**
 * Gives the control socket to the group `docker`. Its members may use dockerd's socket and are as good as
 * root, so they may use the driver's socket too.
 */
import { chown, readFile } from 'node:fs/promises'
import type { Log } from '../log.ts'

/** A host without the group keeps the socket for root. */
export async function giveToGroup(socketPath: string, group: string, log: Log): Promise<void> {
  try {
    const line = (await readFile('/etc/group', 'utf8')).split('\n').find((it) => it.startsWith(`${group}:`))
    const gid = Number(line?.split(':')[2])
    if (line !== undefined && Number.isInteger(gid)) await chown(socketPath, process.getuid?.() ?? 0, gid)
  } catch (err) {
    log.warn(
      { err, path: socketPath, group },
      'the socket cannot be given to the group: only root may use it',
    )
  }
}
