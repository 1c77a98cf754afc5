/**
 * What a failed scenario leaves on the Docker hosts is removed before the next one, which would fail by it.
 * What was there before the run's first scenario stays.
 */
import { belongings, clear } from './clear.ts'
import type { Host } from './host.ts'

let foundBefore: string[] | undefined
let hasFailed = false

/** Call it before each scenario. */
export async function removeLeftovers(hosts: readonly Host[]): Promise<void> {
  foundBefore ??= await belongings(hosts)
  if (hasFailed) await clear(hosts, foundBefore)
  hasFailed = false
}

/**
 * For an `afterEach`: removes what a scenario makes by commands of its own. What was on the hosts before the
 * run's first scenario stays.
 */
export async function clearLeftovers(hosts: readonly Host[]): Promise<void> {
  foundBefore ??= await belongings(hosts)
  await clear(hosts, foundBefore)
}

export function scenarioFailed(): void {
  hasFailed = true
}
