/**
 * An inventory: how each host of the lab is reached by ssh, where machines exist already.
 *
 *     { "hosts": { "net-1": { "address": "10.1.0.11", "user": "admin", "identityFile": "~/.ssh/lab" }, … } }
 *
 * The keys are the names of the lab's hosts. A host's key is pinned: `hostKey` has it, or the known_hosts
 * file does.
 */
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { type Lab, namesOf } from '../../lab/definition.ts'
import { LabError, unknown } from '../../process/errors.ts'
import { parseJson } from '../../process/json.ts'

const matching = (pattern: RegExp, wanted: string) =>
  z.string().regex(pattern, { error: ({ input }) => `${JSON.stringify(input)} is not ${wanted}` })

const hostKeySchema = matching(
  /^(ssh|ecdsa)-\S+ [A-Za-z0-9+/]+=*( .*)?$/,
  'a public key as in a .pub file: ssh-ed25519 AAAA…',
)

const entrySchema = z.strictObject({
  /** Name or address that ssh connects to; it need not be the host's address on the lab's network. */
  address: matching(/^[A-Za-z0-9:][\w.:%-]*$/, 'a name or an IP address'),
  port: z.int().min(1).max(65535).default(22),
  /** root, or a user whose sudo asks for no password. */
  user: matching(/^[^\s-]\S*$/, 'the name of a user').default('root'),
  /** Private key without a passphrase; without one the ssh agent is asked. */
  identityFile: z.string().min(1).optional(),
  /** The host's public key. */
  hostKey: hostKeySchema.optional(),
  /** Where the host's key is looked up when `hostKey` is not given. */
  knownHosts: z.string().min(1).default('~/.ssh/known_hosts'),
  /** A host that is in no line of `knownHosts` is added there at first contact. */
  acceptNew: z.boolean().default(false),
})
const inventorySchema = z.strictObject({ hosts: z.record(z.string(), entrySchema) })

type Entry = z.infer<typeof entrySchema>
export type Inventory = Record<string, Entry>

/** Reads the file; paths in it are relative to its folder, and `~` is the home folder. */
export function readInventory(file: string, lab: Lab): Inventory {
  const path = fromHome(file, process.cwd())
  const entries = Object.entries(parseInventory(text(path), file, lab)).map(
    ([name, entry]) => [name, withPaths(entry, dirname(path))] as const,
  )
  for (const [name, { identityFile, knownHosts }] of entries) {
    if (identityFile !== undefined) checkReadable(identityFile, `${file}: identityFile of ${name}`)
    if (existsSync(knownHosts)) checkReadable(knownHosts, `${file}: knownHosts of ${name}`)
  }
  return Object.fromEntries(entries)
}

/** It must contain the lab's hosts and no others; `file` is for messages. */
export function parseInventory(content: string, file: string, lab: Lab): Inventory {
  const parsed = inventorySchema.safeParse(parseJson(content, file, 'docs/lab.md shows an inventory'))
  if (!parsed.success) {
    throw new LabError(`${file} is not an inventory: ${firstOf(parsed.error)}`, {
      hint: 'docs/lab.md shows an inventory',
    })
  }
  const names = namesOf(lab)
  const foreign = Object.keys(parsed.data.hosts).find((name) => !names.includes(name))
  if (foreign !== undefined) throw unknown(`host in ${file}`, foreign, names)
  const missing = names.filter((name) => !Object.hasOwn(parsed.data.hosts, name))
  if (missing.length > 0) {
    throw new LabError(`${file} does not say how ${missing.join(', ')} can be reached`, {
      hint: `every host of ${lab.source} needs an entry; docs/lab.md shows one`,
    })
  }
  refuseSharing(parsed.data.hosts, file)
  return parsed.data.hosts
}

/** The steps of two hosts at once on one machine would disturb each other. */
function refuseSharing(hosts: Inventory, file: string): void {
  const byPlace = new Map<string, string>()
  for (const [name, { address, port }] of Object.entries(hosts)) {
    const place = `${address.toLowerCase()} port ${port}`
    const other = byPlace.get(place)
    if (other !== undefined) throw new LabError(`${file}: ${other} and ${name} have one machine, ${place}`)
    byPlace.set(place, name)
  }
}

/** `hosts["net-1"].port: Too big: expected number to be <=65535` */
function firstOf({ issues }: z.ZodError): string {
  const [issue, ...others] = issues
  const at = issue && issue.path.length > 0 ? `${z.core.toDotPath(issue.path)}: ` : ''
  return `${at}${issue?.message}${others.length > 0 ? ` (and ${others.length} more)` : ''}`
}

/** Said before any host is reached: with one wrong path, the other hosts would be provisioned. */
function checkReadable(path: string, what: string): void {
  try {
    readFileSync(path)
  } catch (cause) {
    throw new LabError(`${what} cannot be read: ${(cause as Error).message}`, { cause })
  }
}

function withPaths(entry: Entry, folder: string): Entry {
  const { identityFile, knownHosts } = entry
  return {
    ...entry,
    knownHosts: fromHome(knownHosts, folder),
    ...(identityFile === undefined ? {} : { identityFile: fromHome(identityFile, folder) }),
  }
}

function fromHome(path: string, folder: string): string {
  return resolve(folder, path.replace(/^~(?=\/)/, homedir()))
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new LabError(`the inventory ${path} cannot be read: ${(error as Error).message}`, {
      hint: 'name a file that exists: --inventory FILE, or MULTIHOST_INVENTORY; docs/lab.md shows one',
      cause: error,
    })
  }
}
