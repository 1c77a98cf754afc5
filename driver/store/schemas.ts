/**
 * Schemas of the store's values, checked before the driver uses them.
 *
 * Otherwise a process that can write to Consul could have the driver program nonsense, or add lines to hosts
 * files. Fields that this version does not know are kept, so that hosts of two versions can share a store.
 * Values are checked before they are written, too: a value that could not be read back is never stored.
 */
import * as z from 'zod'
import { DriverError } from '../core/errors.ts'
import { canonicalCidr, canonicalIp, isCidr, isIp } from '../core/ip.ts'
import { isOneWord } from '../core/names.ts'
import type { Table, Tables } from '../core/records.ts'
import { restOf } from '../core/snapshot.ts'
import { maxVni } from '../core/vnis.ts'

/** Part of paths and device names: no slash, no leading dot. */
const id = z.string().regex(/^[0-9A-Za-z][\w.-]{0,127}$/, 'is not an id')
const name = z.string().refine(isOneWord, 'is empty, too long or has blanks')
const ip = z.string().refine((text) => isIp(text) && canonicalIp(text) === text, 'is not a canonical address')
const cidr = z
  .string()
  .refine((text) => isCidr(text) && canonicalCidr(text) === text, 'is not a canonical block')
const mac = z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/, 'is not a MAC')
const vni = z.number().int().min(1).max(maxVni)
const time = z.string().refine((text) => !Number.isNaN(Date.parse(text)), 'is not a time')
const texts = z.record(z.string(), z.string())
/**
 * Aliases are typed by people. An alias that a hosts file cannot contain is dropped; the endpoint is kept.
 */
const aliases = z.array(z.string()).transform((all) => all.filter(isOneWord))

/**
 * A mark whose presence counts: a later version may say more than `true`, which is kept when the record is
 * written back.
 */
const laterMayWiden = <T>() =>
  z.custom<T>((value) => value !== undefined && value !== false && value !== null)

const pool = z.looseObject({
  cidr,
  gateway: ip,
  range: cidr.exactOptional(),
  aux: z.record(z.string(), ip),
})

const network = z.looseObject({
  id,
  name: name.exactOptional(),
  vni,
  v4: pool,
  v6: pool.exactOptional(),
  mtuBytes: z.number().int().min(68).max(65_535).exactOptional(),
  datapath: z.string().exactOptional(),
  port: z.number().int().min(1).max(65_535),
  internal: z.boolean(),
  attachable: laterMayWiden<true>().exactOptional(),
  options: texts,
  labels: texts,
  createdBy: name,
  createdAt: time,
  removing: laterMayWiden<true>().exactOptional(),
})

const poolClaim = z.looseObject({
  host: name,
  network: id.exactOptional(),
  range: cidr.exactOptional(),
  gateway: ip.exactOptional(),
  chosen: laterMayWiden<true>().exactOptional(),
  reserved: z.array(ip),
  claimedAt: time,
})

const lease = z.looseObject({
  host: name,
  endpoint: id.exactOptional(),
  service: name.exactOptional(),
  leasedAt: time,
  asked: laterMayWiden<true>().exactOptional(),
  left: z.looseObject({ endpoint: id, at: time, container: z.string().exactOptional() }).exactOptional(),
})

const endpoint = z.looseObject({
  network: id,
  id,
  v4: ip,
  v6: ip.exactOptional(),
  mac,
  host: name,
  vtep: ip,
  joined: z.boolean(),
  container: z.looseObject({ id, name }).exactOptional(),
  aliases,
  hostname: z.string().exactOptional(),
  service: name.exactOptional(),
  interfaceName: z.string().exactOptional(),
  withoutIpv6: laterMayWiden<true>().exactOptional(),
})

const host = z.looseObject({
  vtep: ip,
  driverVersion: z.string(),
  engineVersion: z.string().exactOptional(),
  session: z.string().exactOptional(),
  tunnel: z
    .looseObject({
      mtuBytes: z.number().int().min(68),
      answers: z.boolean(),
      ports: z.array(z.number().int()).exactOptional(),
    })
    .exactOptional(),
  routes: z.looseObject({ connected: z.array(cidr), other: z.array(cidr) }).exactOptional(),
  resolvers: z.array(ip).exactOptional(),
  enginePools: z.array(cidr).exactOptional(),
  foreignVxlans: z.array(z.looseObject({ vni, port: z.number().int() })).exactOptional(),
})

const holder = z.looseObject({ host: name, container: z.looseObject({ id, name }).exactOptional() })

const service = z.looseObject({
  id,
  network: id,
  name,
  v4: ip,
  v6: ip.exactOptional(),
  endpoint: id.exactOptional(),
  holder: holder
    .extend({ attachingSince: time.exactOptional(), before: holder.exactOptional() })
    .exactOptional(),
})

const use = z.looseObject({ containers: z.number().int().min(1), names: z.array(z.string()) })

const want = z.looseObject({ host: name, ip: ip.exactOptional(), since: time })

const schemas: { [T in Table]: z.ZodType<Tables[T]> } = {
  hosts: host,
  replicas: id,
  uses: use,
  networks: network,
  'network-names': id,
  vnis: id,
  macs: id,
  pools: poolClaim,
  addresses: lease,
  endpoints: endpoint,
  services: service,
  wanted: want,
}

/** The second part of a key, in tables whose values do not contain it. */
const keyParts: { [T in Table]?: z.ZodType<string> } = { replicas: id, uses: id, addresses: ip, macs: mac }

/** Throws `corrupt` with the key and the reason. */
export function checkRecord<T extends Table>(table: T, key: string, value: unknown): Tables[T] {
  const parsed = schemas[table].safeParse(value)
  if (!parsed.success) throw corrupt(table, key, describe(parsed.error))
  const part = keyParts[table]?.safeParse(restOf(key))
  if (part?.success === false) throw corrupt(table, key, `the key ${part.error.issues[0]?.message}`)
  const own = keyOf(table, parsed.data)
  if (own !== undefined && own !== key) throw corrupt(table, key, `the value names another key, ${own}`)
  return parsed.data
}

/** The same for a value in Consul's text form. */
export function readRecord<T extends Table>(table: T, key: string, text: string): Tables[T] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw corrupt(table, key, 'it is not JSON', error)
  }
  return checkRecord(table, key, value)
}

/** The key that the value itself contains, in tables where it does. */
function keyOf<T extends Table>(table: T, value: Tables[T]): string | undefined {
  if (table === 'networks') return (value as Tables['networks']).id
  if (table === 'endpoints') {
    const { network, id } = value as Tables['endpoints']
    return `${network}/${id}`
  }
  if (table === 'services') {
    const { network, name } = value as Tables['services']
    return `${network}/${name}`
  }
  return undefined
}

function describe(error: z.ZodError): string {
  const [issue] = error.issues
  const where = issue === undefined || issue.path.length === 0 ? 'it' : issue.path.join('.')
  return `${where}: ${issue?.message ?? 'not as expected'}`
}

function corrupt(table: Table, key: string, reason: string, cause?: unknown): DriverError {
  return new DriverError('corrupt', `the value of ${table}/${key} cannot be used: ${reason}`, {
    hint: 'correct or delete the key; all other records keep working',
    cause,
  })
}
