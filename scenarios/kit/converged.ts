/**
 * Waits until the lab has converged: the subject has settled on every host, and every container reaches every
 * other by name. The deadline is the time that the project promises after a fault is healed.
 */
import { timeoutScale } from '../../provision/process/timeout-scale.ts'
import { subject } from './current-subject.ts'
import type { Container, Host } from './host.ts'
import { together } from './together.ts'

export const convergesWithinMs = 5000
/** The same deadline for `expect.poll`. */
export const untilConverged = { timeout: convergesWithinMs * timeoutScale }

export async function converged(hosts: readonly Host[], containers: readonly Container[]): Promise<void> {
  await together<unknown>([
    ...hosts.map((host) => host.within(convergesWithinMs).waitUntilSucceeds`sh -c ${subject.settled}`),
    ...containers.flatMap((from) =>
      containers
        .filter((to) => to !== from)
        .map((to) => from.within(convergesWithinMs).waitUntilSucceeds`ping -c1 -W1 ${to.name}`),
    ),
  ])
}
