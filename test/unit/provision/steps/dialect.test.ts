import { expect, test } from 'vitest'
import { dialect, dialectFits } from '../../../../provision/steps/dialect.ts'
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

test.each([
  ['/srv/docker/100000.100000', '/srv/docker/100000.100000'],
  ['', '/var/lib/docker'],
])('the script looks for a swarm where the engine has its files: %j', async (said, folder) => {
  const host = fakeHost()
  const context = contextOn(host.target)
  host.put('/opt/multihost-engine/docker', `#!/bin/sh\necho '${said}'\n`)
  await context.$`chmod 755 /opt/multihost-engine/docker`
  await dialect.apply(context)
  expect(host.text('/usr/local/bin/docker')).toMatch(
    new RegExp(`\\[ ! -e \\S*${folder}/swarm/docker-state\\.json \\]`),
  )
})
