import { scenario } from 'multihost/kit/scenario'
import { expect } from 'vitest'

scenario('a server is reached, not when it is unplugged, and again', async ({ hostA, hostB, faults }) => {
  const ask = ['curl', '-sf', '--max-time', '2', `http://${hostA.address}:8000`]
  expect(await hostB.succeed`${ask}`).toBe(hostA.name)
  await using unplugged = await faults.unplug(hostA)
  await hostB.fail`${ask}`
  await unplugged.heal()
  await hostB.waitUntilSucceeds`${ask}`
})
