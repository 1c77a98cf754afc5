/**
 * Where Consul's package comes from, in this order: Debian 11 on the mirror, Debian's archive, HashiCorp.
 * Debian 11 is the last release that packages Consul, and mirrors are dropping it.
 */
import { LabError, messageOf } from '../process/errors.ts'

export interface ConsulSource {
  /** For messages. */
  name: string
  /** Address of the repository. */
  site: string
  suite: string
  /** Address of its signing key, where Debian's keyring does not have it. */
  key?: string
}

/** `mirror`: the Debian mirror that is used otherwise. */
export function consulSources(mirror: string): readonly ConsulSource[] {
  const hashicorp = 'https://apt.releases.hashicorp.com'
  return [
    { name: `Debian 11 on ${mirror}`, site: mirror, suite: 'bullseye' },
    { name: "Debian 11 in Debian's archive", site: 'http://archive.debian.org/debian', suite: 'bullseye' },
    { name: "HashiCorp's packages", site: hashicorp, suite: 'bookworm', key: `${hashicorp}/gpg` },
  ]
}

/** Tries the sources in order until one succeeds; throws with the problem of each. */
export async function firstOf(
  sources: readonly ConsulSource[],
  attempt: (source: ConsulSource) => Promise<void>,
  where = '',
): Promise<void> {
  const problems: string[] = []
  for (const source of sources) {
    try {
      return await attempt(source)
    } catch (error) {
      problems.push(`${source.name}: ${messageOf(error)}`)
    }
  }
  throw new LabError(`${where}no source has Consul's package:\n  ${problems.join('\n  ')}`, {
    hint: 'name the program itself: --consul-from FILE',
  })
}
