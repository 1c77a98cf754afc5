/**
 * What the engine says of an endpoint's container, as the endpoint's record can hold it. Pure.
 *
 * Docker limits no name, hostname or alias; a record does, since every host keeps it. What does not fit is
 * left out, so that it stops neither its own endpoint nor another one, and `multihost status` names it. A
 * container whose name does not fit has its short id instead, which Docker accepts in commands as well.
 */
import { isOneWord, shortId } from '../names.ts'
import type { Endpoint } from '../records.ts'

export type ContainerName = NonNullable<Endpoint['container']>

/** All aliases of an endpoint together, in UTF-8: a commit must have room for its record. */
const maxAliasesBytes = 32_768

/** The container as its records name it. */
export function recordedContainer({ id, name }: ContainerName): ContainerName {
  return { id, name: isOneWord(name) ? name : shortId(id) }
}

/** Undefined for the hostname that Docker makes of the container's id, and for one that does not fit. */
export function recordedHostname({ id }: Pick<ContainerName, 'id'>, hostname: string): string | undefined {
  return hostname !== shortId(id) && isOneWord(hostname) ? hostname : undefined
}

/** Those that fit, in their order. */
export function recordedAliases(aliases: readonly string[]): string[] {
  let room = maxAliasesBytes
  return aliases.filter((alias) => {
    if (!isOneWord(alias)) return false
    room -= Buffer.byteLength(alias)
    return room >= 0
  })
}

/** What of a container is left out, for people. */
export function nameLeftOut(container: ContainerName): string | undefined {
  if (isOneWord(container.name)) return undefined
  const short = shortId(container.id)
  return `the name of container ${short} (${shown(container.name)}) ${why}: the cluster calls it ${short}; docker rename ${short} NAME`
}

export function hostnameLeftOut(container: ContainerName, hostname: string): string | undefined {
  if (hostname === '' || isOneWord(hostname)) return undefined
  return `the hostname of container ${recordedContainer(container).name} (${shown(hostname)}) ${why}; make the container again with another --hostname`
}

export function aliasesLeftOut(container: ContainerName, aliases: readonly string[]): string | undefined {
  const recorded = new Set(recordedAliases(aliases))
  const [first, ...more] = aliases.filter((alias) => !recorded.has(alias))
  if (first === undefined) return undefined
  const others = more.length === 0 ? '' : ` and ${more.length} more`
  const reason = isOneWord(first) ? `${leftOut} all aliases have at most ${maxAliasesBytes} bytes` : why
  return `an alias of container ${recordedContainer(container).name} (${shown(first)}${others}) ${reason}; make the container again with other aliases`
}

const leftOut = 'is left out, since'
const why = `${leftOut} a record takes one word of 1 to 255 characters`

/** In quotes, at most about one line. */
function shown(text: string): string {
  const limit = 40
  return text.length <= limit ? `'${text}'` : `'${text.slice(0, limit)}…', ${text.length} characters`
}
