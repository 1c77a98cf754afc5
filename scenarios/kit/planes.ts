/**
 * After every scenario: do Consul, the kernel and Docker agree on each host with a driver?
 *
 * The driver looks and waits for its loops (docs/faults.md, Check); asking it takes some milliseconds when all agree.
 */
import type { CheckResult } from '../../driver/control/check.ts'
import { timeoutScale } from '../../provision/process/timeout-scale.ts'
import type { Host } from './host.ts'
import { together } from './together.ts'

/** What `multihost check` does, without the start of a Node. */
const question = `curl -sf --max-time ${20 * timeoutScale} --unix-socket /run/multihost/control.sock http://localhost/check?within=${5 * timeoutScale}`

/** One line per difference that is still there after 5 s (times the timeout scale); throws when a driver does not answer by then. */
export async function planesDiffer(hosts: readonly Host[]): Promise<string[]> {
  const found = await together(
    hosts.map(async (host) => {
      const answer = await host.within(5000).waitUntilSucceeds`sh -c ${question}`
      const { differences, unknown } = JSON.parse(answer) as CheckResult
      return [...unknown, ...differences.map((it) => it.sentence)].map((line) => `${host.name}: ${line}`)
    }),
  )
  return found.flat()
}
