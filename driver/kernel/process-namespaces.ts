/**
 * Network namespaces by the processes in them. An engine with an `exec-root` of its own keeps its containers'
 * namespaces in another folder than the driver's; a container that runs has a process in its namespace.
 */
import { open, readdir, stat } from 'node:fs/promises'

/** Tells namespaces apart: all are files of one file system, nsfs. Undefined: the namespace has gone. */
export async function namespaceInode(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).ino
  } catch {
    return undefined
  }
}

/**
 * A path for each namespace in which a process of the machine is, without those that are `known`. The path is
 * an open file of this process, until the next one is asked for: a namespace stays when its process ends
 * meanwhile.
 */
export async function* namespacesOfProcesses(known: ReadonlySet<number | undefined>): AsyncGenerator<string> {
  const found = new Set(known)
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const path = `/proc/${pid}/ns/net`
    if (found.has(await namespaceInode(path))) continue
    // The process may have ended. Another process of its namespace may be among the next ones.
    await using file = await open(path).catch(() => undefined)
    if (file === undefined) continue
    found.add((await file.stat()).ino)
    yield `/proc/${process.pid}/fd/${file.fd}`
  }
}
