/**
 * This host's identity: a random id and its name in the cluster, in the file host.json of the state folder.
 *
 * The records of a host stand under its name. So the name that the host had first is kept: a machine whose
 * hostname changes keeps its containers' network. The machine's id (/etc/machine-id) would not do as the id,
 * since cloned machines share it. The file is written when the host holds its name in the store, not before.
 */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { DriverError } from '../core/errors.ts'
import type { HostName } from '../core/records.ts'
import { writeDurably } from '../store/durable-file.ts'

export interface HostIdentity {
  id: string
  name: HostName
}

const schema = z.object({ id: z.string().min(1), name: z.string().min(1) })

export function newIdentity(name: HostName): HostIdentity {
  return { id: randomUUID(), name }
}

/** Undefined before the first start. Throws `corrupt`, and `unavailable` for a user who may not read it. */
export async function readIdentity(
  stateDir: string,
  read: (path: string) => Promise<unknown> = (path) => readFile(path),
): Promise<HostIdentity | undefined> {
  const path = fileIn(stateDir)
  try {
    return schema.parse(JSON.parse(String(await read(path))))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw unreadable(path, cause as NodeJS.ErrnoException)
  }
}

function unreadable(path: string, cause: NodeJS.ErrnoException): DriverError {
  if (cause.code === 'EACCES')
    return new DriverError('unavailable', `you may not read ${path}`, { hint: 'run it as root', cause })
  return new DriverError('corrupt', `${path} cannot be read: ${cause.message}`, {
    hint: 'write {"id": "…", "name": "…"} with the name that this host has in the cluster, or delete the file',
    cause,
  })
}

export function writeIdentity(stateDir: string, { id, name }: HostIdentity): Promise<void> {
  return writeDurably(fileIn(stateDir), `${JSON.stringify({ id, name })}\n`)
}

function fileIn(stateDir: string): string {
  return join(stateDir, 'host.json')
}
