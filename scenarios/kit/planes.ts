/**
 * Asks the subject on each host whether what the host must have and what it has agree. Used after every
 * scenario.
 */
import { subject } from './current-subject.ts'
import type { Host } from './host.ts'
import { together } from './together.ts'

/** A driver that was killed has to start on a machine that does much else. Docker waits for it as long. */
const answersWithinMs = 30_000

/**
 * One line per difference, from when the subject answers on all hosts. Throws when it does not answer on a
 * host within 30 s.
 */
export async function planeDifferences(hosts: readonly Host[]): Promise<string[]> {
  const { answers, check } = subject
  if (check === undefined) return []
  await together(hosts.map((host) => host.within(answersWithinMs).waitUntilSucceeds`sh -c ${answers}`))
  const found = await together(
    hosts.map(async (host) => {
      const answer = await host.within(5000).waitUntilSucceeds`sh -c ${check}`
      return answer.split('\n').flatMap((line) => (line === '' ? [] : [`${host.name}: ${line}`]))
    }),
  )
  return found.flat()
}
