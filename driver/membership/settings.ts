/**
 * The options of this host's driver: from the words of a command, or from the file that the unit reads.
 */
import { hostname } from 'node:os'
import { isDeepStrictEqual } from 'node:util'
import { DriverError } from '../core/errors.ts'
import { type HostIdentity, readIdentity } from '../daemon/host-identity.ts'
import { type DaemonOptions, optionWords, parseDaemonOptions } from '../daemon/options.ts'
import { parseStoreUrl, showAddress } from '../store/consul/url.ts'

export interface Wanted {
  /** As the file has them. */
  words: string[]
  options: DaemonOptions
}

/** `STORE [OPTIONS]` of `multihost join`. Throws `invalid`. */
export function wantedBy(store: string, args: string[]): Wanted {
  const words = optionWords([`--kv-store=${store}`, ...args])
  for (const word of words) checkFile(word)
  return { words, options: parseDaemonOptions(words) }
}

/** The unit has its own view of some folders (ProtectHome, PrivateTmp), and another working folder. */
function checkFile(word: string): void {
  const path = /^--kv-\w+-file=(.*)$/.exec(word)?.[1]
  if (path === undefined) return
  const hint = 'put it into /etc/multihost, and name it from there'
  if (!path.startsWith('/')) throw new DriverError('invalid', `${word} is not an absolute path`, { hint })
  if (/^\/(home|root|tmp|var\/tmp|run\/user)\//.test(path))
    throw new DriverError('invalid', `the unit of the driver does not see the file of ${word}`, { hint })
}

export interface Self {
  name: string
  identity: HostIdentity | undefined
}

/** This host's name in the cluster, as the driver chooses it. Throws `corrupt`. */
export async function selfOf({
  stateDir,
  hostName,
}: Pick<DaemonOptions, 'stateDir' | 'hostName'>): Promise<Self> {
  const identity = await readIdentity(stateDir)
  return { identity, name: hostName ?? identity?.name ?? hostname() }
}

/** Two addresses of one store are one text: `consul://a` and `http://a:8500/multihost`. */
export function storeIn(words: readonly string[]): string | undefined {
  const url = words.flatMap((word) => /^--kv-store=(.*)$/.exec(word)?.[1] ?? []).at(-1)
  return url === undefined ? undefined : showAddress(parseStoreUrl(url))
}

/** They name a server in common, under one prefix. */
export function shareStore(a: readonly string[], b: readonly string[]): boolean {
  const others = serversIn(b)
  return serversIn(a).some((each) => others.includes(each))
}

function serversIn(words: readonly string[]): string[] {
  const url = storeIn(words)
  if (url === undefined) return []
  const { servers, prefix } = parseStoreUrl(url)
  return servers.map(({ host, port }) => `${host}:${port}/${prefix}`)
}

/** They name the store otherwise, and everything else alike. */
export function differInStoreAlone(a: readonly string[], b: readonly string[]): boolean {
  const others = (words: readonly string[]) => words.filter((word) => !word.startsWith('--kv-store='))
  return areSame(others(a), others(b))
}

export function areSame(a: readonly string[], b: readonly string[]): boolean {
  return isDeepStrictEqual([...a].sort(), [...b].sort())
}
