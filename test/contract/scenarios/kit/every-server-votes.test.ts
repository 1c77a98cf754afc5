/** A Consul server that its cluster has removed is waited for until it votes again, with three real servers. */
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { timeoutScale } from '../../../../provision/process/timeout-scale.ts'
import type { Connection } from '../../../../provision/ssh/connection.ts'
import { labHost } from '../../../../scenarios/kit/host.ts'
import { everyServerVotes } from '../../../../scenarios/kit/store.ts'
import { startConsulCluster, type TestConsul } from '../../../fixtures/consul.ts'
import { until } from '../../../fixtures/until.ts'

let servers: TestConsul[]
beforeAll(async () => {
  servers = await startConsulCluster(3)
})
afterAll(async () => {
  await Promise.all(servers.map((each) => each.stop()))
})

/** Commands run here, with the test's Consul in the place of the server's. */
function hostOf({ api }: TestConsul) {
  const exec: Connection['exec'] = async (command) => {
    const line = command.replaceAll('http://127.0.0.1:8500/v1', api)
    const { stdout, stderr, exitCode = 255 } = await execa('bash', ['-c', line], { reject: false })
    return { stdout, stderr, code: exitCode }
  }
  const connection = async () => ({ exec }) as Connection
  return labHost('consul-1', '127.0.0.1', connection, () => undefined)
}

/** As raft has them. */
async function voters({ api }: TestConsul): Promise<number> {
  const answer = await fetch(`${api}/operator/raft/configuration`)
  const { Servers } = (await answer.json()) as { Servers: { Voter: boolean }[] }
  return Servers.filter((each) => each.Voter).length
}

test('a server that was removed counts when it votes again', {
  timeout: 180_000 * timeoutScale,
}, async () => {
  const [first, , last] = servers as [TestConsul, TestConsul, TestConsul]
  await everyServerVotes(hostOf(first), 3)
  expect(await voters(first)).toBe(3)
  await last.kill()
  await until('autopilot has removed it', async () => (await voters(first)) === 2, 60_000)
  await everyServerVotes(hostOf(first), 2)
  await last.start()
  await everyServerVotes(hostOf(first), 3)
  expect(await voters(first)).toBe(3)
})
