/**
 * Which host may use a published service's address while one container takes another's place.
 *
 * `attach` makes the new holder before the engine connects the container, and keeps the earlier holder in it
 * (`before`). The attach ends when the container's endpoint is created, or when the engine has taken the
 * address for a container that does not run. An attach that fails gives the service back. An attach that
 * never ends (`docker run --publish-service` of an image that does not exist, a killed driver) excludes the
 * earlier holder for `attachTakesMs`. After that the first of the two that asks for the address gets it.
 *
 * A driver that does not know `before` may leave it in a holder whose attach has ended. It means nothing
 * there.
 */
import type { EarlierHolder, HostName, ServiceHolder } from './records.ts'

/** So long an attach that was begun keeps others away: longer than an engine takes to connect a container. */
const attachTakesMs = 30_000

export function isAttaching({ attachingSince }: ServiceHolder, now: Date): boolean {
  return attachingSince !== undefined && now.getTime() - Date.parse(attachingSince) < attachTakesMs
}

/** The holder once its attach has ended. */
export function ended({ attachingSince: _, before: __, ...holder }: ServiceHolder): EarlierHolder {
  return holder
}

/** The holder whose attach ended last. */
export function lastEnded(holder: ServiceHolder): EarlierHolder | undefined {
  return holder.attachingSince === undefined ? ended(holder) : holder.before
}

/** By which right the host may give the address to a container: as the holder, or as the one before. */
export function holderOn(
  holder: ServiceHolder | undefined,
  host: HostName,
  now: Date,
): ServiceHolder | undefined {
  if (holder === undefined || holder.host === host) return holder
  const before = isAttaching(holder, now) ? undefined : lastEnded(holder)
  return before?.host === host ? before : undefined
}
