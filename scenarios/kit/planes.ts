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
const ask = (seconds: number, path: string): string =>
  `curl -sf --max-time ${seconds * timeoutScale} --unix-socket /run/multihost/control.sock http://localhost/${path}`
const question = ask(20, `check?within=${5 * timeoutScale}`)
/** A driver that was killed has to start on a machine that does much else. Docker waits for it as long. */
const answersWithinMs = 30_000

/** One line per difference that lasts 5 s (times the timeout scale), from when the drivers of all hosts answer. */
export async function planeDifferences(hosts: readonly Host[]): Promise<string[]> {
  await together(
    hosts.map(
      (host) => host.within(answersWithinMs).waitUntilSucceeds`sh -c ${ask(5, 'status > /dev/null')}`,
    ),
  )
  const found = await together(
    hosts.map(async (host) => {
      const answer = await host.within(5000).waitUntilSucceeds`sh -c ${question}`
      const { differences, unknown } = JSON.parse(answer) as CheckResult
      return [...unknown, ...differences.map((it) => it.sentence)].map((line) => `${host.name}: ${line}`)
    }),
  )
  return found.flat()
}
