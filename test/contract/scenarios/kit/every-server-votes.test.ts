/** A Consul server that its cluster has removed is waited for until it votes again, with three real servers. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { timeoutScale } from '../../../../provision/process/timeout-scale.ts'
import { everyServerVotes } from '../../../../scenarios/kit/store.ts'
import { startConsulCluster, type TestConsul } from '../../../fixtures/consul.ts'
import { hostHere } from '../../../fixtures/host-here.ts'
import { until } from '../../../fixtures/until.ts'

let servers: TestConsul[]
beforeAll(async () => {
  servers = await startConsulCluster(3)
})
afterAll(async () => {
  await Promise.all(servers.map((each) => each.stop()))
})

const hostOf = ({ api }: TestConsul) => hostHere({ consulApi: () => api })

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
