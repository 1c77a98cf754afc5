/**
 * Asks the driver of each host whether Consul, the kernel and Docker agree. Used after every scenario.
 *
 * The driver compares the three and waits for its loops (docs/faults.md, Check); the answer takes some milliseconds
 * when they agree.
 */
import type { CheckResult } from '../../driver/control/check.ts'
import { timeoutScale } from '../../provision/process/timeout-scale.ts'
import type { Host } from './host.ts'
import { together } from './together.ts'

/** As `multihost check` asks, without the time that a Node process takes to start. */
const question = `curl -sf --max-time ${20 * timeoutScale} --unix-socket /run/multihost/control.sock http://localhost/check?within=${5 * timeoutScale}`

/** One line per difference that lasts 5 s (times the timeout scale). Throws when a driver does not answer within 5 s. */
export async function planeDifferences(hosts: readonly Host[]): Promise<string[]> {
  const found = await together(
    hosts.map(async (host) => {
      const answer = await host.within(5000).waitUntilSucceeds`sh -c ${question}`
      const { differences, unknown } = JSON.parse(answer) as CheckResult
      return [...unknown, ...differences.map((it) => it.sentence)].map((line) => `${host.name}: ${line}`)
    }),
  )
  return found.flat()
}
