/**
 * Network namespaces by the processes in them. An engine with an `exec-root` of its own keeps its containers'
 * namespaces in another folder than the driver's; a container that runs has a process in its namespace.
 */
import { readdir, stat } from 'node:fs/promises'

/** Tells namespaces apart: all are files of one file system, nsfs. Undefined: the namespace has gone. */
export async function namespaceInode(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).ino
  } catch {
    return undefined
  }
}

/** A path for each namespace in which a process of the machine is, without those that are `known`. */
export async function namespacesOfProcesses(known: ReadonlySet<number | undefined>): Promise<string[]> {
  const found = new Map<number, string>()
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const path = `/proc/${pid}/ns/net`
    const inode = await namespaceInode(path)
    if (inode !== undefined && !known.has(inode) && !found.has(inode)) found.set(inode, path)
  }
  return [...found.values()]
}
