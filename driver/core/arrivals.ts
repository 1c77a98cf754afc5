/**
 * Whether the questions that NAT leads to the DNS server reach it.
 *
 * A firewall of the host that drops them shows in two counters: the rule's grows, and the server's does not.
 * One look may fall between a question's two countings, so two looks with a lost question are asked for. A
 * question that is read ends it.
 */
export interface Arrivals {
  /** Questions that the rule has counted. Undefined before the first look, and where they are not counted. */
  redirected: number | undefined
  /** Questions that the server has read. */
  read: number
  /** Looks since the server has last read a question, at which the rule had counted more than before. */
  lostLooks: number
}

export const noArrivals: Arrivals = { redirected: undefined, read: 0, lostLooks: 0 }

/** Rules that were made anew begin at 0. */
export function afterLook(
  before: Arrivals,
  { redirected, read }: Pick<Arrivals, 'redirected' | 'read'>,
): Arrivals {
  if (read > before.read || redirected === undefined) return { redirected, read, lostLooks: 0 }
  const hasGrown = before.redirected !== undefined && redirected > before.redirected
  return { redirected, read, lostLooks: before.lostLooks + (hasGrown ? 1 : 0) }
}

export function areLost({ lostLooks }: Arrivals): boolean {
  return lostLooks >= 2
}
