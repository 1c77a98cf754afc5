/**
 * The machine's own resolvers, from the present /etc/resolv.conf (resolv.conf(5)).
 */
import { readFileSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { isIp } from '../core/ip.ts'
import type { Ip } from '../core/records.ts'
import { nameServersIn } from '../core/resolv-conf.ts'
import { publishedResolvers } from '../core/routes.ts'

/**
 * Looks at the file at most once a second. A program that writes it anew may remove or empty it first: the
 * resolvers of before stay while it is missing, empty or cannot be read.
 */
export function machineResolvers(path: string, own: Ip): () => readonly string[] {
  let known: readonly string[] = []
  let stamp = ''
  let lookedAt = Number.NEGATIVE_INFINITY
  return () => {
    if (performance.now() - lookedAt < 1000) return known
    lookedAt = performance.now()
    try {
      const now = stampOf(path)
      if (now === stamp) return known
      const text = readFileSync(path, 'utf8')
      if (text === '') return known
      known = resolversIn(text, own)
      stamp = now
    } catch {
      // It is looked at again.
    }
    return known
  }
}

/** Differs for each other file, as in glibc (file_change_detection.c): on some systems all files have one time. */
function stampOf(path: string): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
}

/** As in glibc (MAXNS). */
export const mostResolvers = 3

/** At most so many; never our own address. */
export function resolversIn(text: string, own: Ip): string[] {
  return nameServersIn(text)
    .filter((ip) => ip !== own)
    .slice(0, mostResolvers)
}

/** Behind systemd-resolved's own address, 127.0.0.53, are the servers of the second file. */
const resolvFiles = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf']

/**
 * For the host's record: the resolvers that the host or its containers may ask, as docker-options.sh names
 * them to the engine. Undefined while no file can be read.
 */
export async function outsideResolvers(files: readonly string[] = resolvFiles): Promise<Ip[] | undefined> {
  const texts = await Promise.all(files.map((path) => readFile(path, 'utf8').catch(() => undefined)))
  const read = texts.filter((text) => text !== undefined)
  // One with a zone is on a link, and no host's.
  return read.length === 0 ? undefined : publishedResolvers(nameServersIn(read.join('\n')).filter(isIp))
}
