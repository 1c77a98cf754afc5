/**
 * The last sessions that drivers of this host have made, in the file sessions.json of the state folder.
 *
 * A live session under this host's name, id and VTEP can be an earlier life of this host: its driver was
 * killed. It can be another machine's, too: one disk is a copy of the other, and machines behind NAT have one
 * address. The list tells the two apart.
 */
import { join } from 'node:path'
import * as z from 'zod'
import type { Log } from '../log.ts'
import { readIfThere, writeDurably } from './durable-file.ts'

export interface OwnSessions {
  /** Undefined where nothing tells: a driver that kept no list ran here last, or the file cannot be read. */
  has(session: string): boolean | undefined
  /** Resolves when the list is on disk. A list that cannot be written is logged. */
  add(session: string): Promise<void>
}

const schema = z.array(z.string())
/** More than a driver makes while an earlier session of its host can live. */
const kept = 16

export const noOwnSessions: OwnSessions = { has: () => undefined, add: async () => undefined }

export async function openOwnSessions(stateDir: string, log: Log): Promise<OwnSessions> {
  const path = join(stateDir, 'sessions.json')
  const before = await read(path).catch((err: unknown) => {
    log.warn({ err, path }, 'the list of this host’s sessions cannot be read and is made anew')
    return undefined
  })
  let sessions = before ?? []
  return {
    has: (session) => sessions.includes(session) || (before === undefined ? undefined : false),
    async add(session) {
      sessions = [...sessions, session].slice(-kept)
      await writeDurably(path, `${JSON.stringify(sessions)}\n`).catch((err: unknown) =>
        log.warn({ err, path }, 'the list of this host’s sessions cannot be written'),
      )
    },
  }
}

async function read(path: string): Promise<string[] | undefined> {
  const text = await readIfThere(path)
  return text === undefined ? undefined : schema.parse(JSON.parse(text))
}
