/**
 * Gives the control socket to the group of dockerd's socket. Its members may use dockerd's socket and are as
 * good as root, so they may use the driver's socket too.
 *
 * The group is mostly `docker`. A machine may have another one (`group` in daemon.json, SocketGroup= of
 * docker.socket), or have its groups elsewhere than in /etc/group (LDAP). So dockerd's socket is looked at
 * first. At boot it may come later than the driver: then the group `docker` counts until the next look.
 */
import { chown, readFile, stat } from 'node:fs/promises'
import type { Log } from '../log.ts'

export interface SocketGroup {
  dockerSocket?: string | undefined
  /** Where dockerd's socket does not exist. */
  name: string
}

/** A host without the group keeps the socket for root. Changes nothing where the socket has the group. */
export async function giveToGroup(
  path: string,
  { dockerSocket, name }: SocketGroup,
  log: Log,
): Promise<void> {
  try {
    const gid = (await groupOf(dockerSocket)) ?? (await groupNamed(name))
    if (gid === undefined || gid === (await stat(path)).gid) return
    await chown(path, process.getuid?.() ?? 0, gid)
  } catch (err) {
    log.warn({ err, path, group: name }, 'the socket cannot be given to the group: only root may use it')
  }
}

async function groupOf(socket: string | undefined): Promise<number | undefined> {
  return socket === undefined ? undefined : (await stat(socket).catch(() => undefined))?.gid
}

async function groupNamed(name: string): Promise<number | undefined> {
  const line = (await readFile('/etc/group', 'utf8')).split('\n').find((it) => it.startsWith(`${name}:`))
  const gid = Number(line?.split(':')[2])
  return line !== undefined && Number.isInteger(gid) ? gid : undefined
}
