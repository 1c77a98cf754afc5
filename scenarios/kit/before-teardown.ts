/**
 * The moment before the first thing that a scenario made is taken down, when there is most to see of it: what was
 * made goes with its scope, before anybody outside learns how the scenario ended.
 */
let work: (() => Promise<void>) | undefined

/** Done once, by whoever is the first to take something down. */
export function beforeTakingDown(once: () => Promise<void>): void {
  work = once
}

/** Called before something is taken down. */
export async function takingDown(): Promise<void> {
  const first = work
  work = undefined
  await first?.()
}
