/**
 * Consul's keys of the records: `<prefix>/<table>/<key>`, readable in Consul's UI.
 *
 * Each part is percent-encoded, so that a service named `a/b` stays one part. Colons are kept, since IPv6
 * addresses read better with them. The slash of a pool is written as `-`, which no address contains.
 */
import type { Table } from '../../core/records.ts'
import { tables } from '../../core/snapshot.ts'
import type { ChangedKey } from '../store.ts'

const inTwoParts: ReadonlySet<Table> = new Set<Table>([
  'replicas',
  'uses',
  'addresses',
  'endpoints',
  'services',
  'macs',
  'wanted',
])

/** The path after the prefix: `endpoints/<network>/<endpoint>`. */
export function pathOf({ table, key }: ChangedKey): string {
  return `${table}/${partsOf(table, key).map(encode).join('/')}`
}

/** Undefined for paths that are not records: tables of a newer version, folders, keys made by hand. */
export function parsePath(path: string): ChangedKey | undefined {
  const [first = '', ...rest] = path.split('/')
  const table = tables.find((known) => known === first)
  if (table === undefined || rest.includes('')) return undefined
  if (rest.length !== (inTwoParts.has(table) ? 2 : 1)) return undefined
  const parts = rest.map(decodedPart).filter((it) => it !== undefined)
  if (parts.length < rest.length) return undefined
  return { table, key: table === 'pools' ? withSlash(parts.join('')) : parts.join('/') }
}

/** Undefined for a stray percent sign: the key was not written by multihost. */
export function decodedPart(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

function partsOf(table: Table, key: string): string[] {
  if (table === 'pools') return [key.replace('/', '-')]
  if (!inTwoParts.has(table)) return [key]
  const slash = key.indexOf('/')
  return [key.slice(0, slash), key.slice(slash + 1)]
}

function withSlash(part: string): string {
  return part.replace(/-(\d+)$/, '/$1')
}

function encode(part: string): string {
  return encodeURIComponent(part).replaceAll('%3A', ':')
}
