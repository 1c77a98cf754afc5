import { expect, test } from 'vitest'
import { dialectFits } from '../../../../provision/steps/dialect.ts'
import { contextOn } from '../../../../provision/steps/step.ts'
import { fakeHost } from '../../../fixtures/fake-host.ts'

test.each([
  ['nothing', undefined, true],
  ['our script', '#!/bin/sh\n# multihost: the docker command\n', true],
  ['another program', '#!/bin/sh\nexec podman "$@"\n', false],
])('%s in its place', async (_, text, fits) => {
  const host = fakeHost()
  if (text !== undefined) host.put('/usr/local/bin/docker', text)
  const looked = dialectFits.holds(contextOn(host.target))
  if (fits) expect(await looked).toBe(true)
  else await expect(looked).rejects.toThrow('net-1 has another /usr/local/bin/docker; nothing was changed')
})
