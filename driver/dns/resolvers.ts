/**
 * The machine's own resolvers, from the present /etc/resolv.conf (resolv.conf(5)).
 */
import { readFileSync, statSync } from 'node:fs'
import { isIp } from '../core/ip.ts'
import type { Ip } from '../core/records.ts'

/** Looks at the file at most once a second. No resolvers while the file is missing. */
export function machineResolvers(path: string, own: Ip): () => readonly Ip[] {
  let known: readonly Ip[] = []
  let stamp: number | undefined
  let lookedAt = Number.NEGATIVE_INFINITY
  return () => {
    if (performance.now() - lookedAt < 1000) return known
    lookedAt = performance.now()
    const now = statSync(path, { throwIfNoEntry: false })?.mtimeMs
    if (now !== stamp || now === undefined)
      known = now === undefined ? [] : resolversIn(readFileSync(path, 'utf8'), own)
    stamp = now
    return known
  }
}

/** At most three, as in glibc (MAXNS); never our own address. */
export function resolversIn(text: string, own: Ip): Ip[] {
  const named = [...text.matchAll(/^nameserver[ \t]+([^\s#;]+)/gm)].map(([, ip]) => ip ?? '')
  return [...new Set(named)].filter((ip) => isIp(ip) && ip !== own).slice(0, 3)
}
