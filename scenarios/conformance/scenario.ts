/**
 * A scenario for any driver. One that failed may have left containers and networks, and must not spoil the next.
 */
import type { Host } from '../runner/host.ts'
import { scenario as base } from '../runner/scenario.ts'

export const scenario = base.extend<{ clean: undefined }>({
  clean: [
    async ({ task, net1, net2 }, use) => {
      if (dirty) await clear([net1, net2])
      await use(undefined)
      dirty = task.result?.state === 'fail'
    },
    { auto: true },
  ],
})

/** Another file's last scenario may have failed, too. */
let dirty = true

const ownNetworks =
  "docker network ls --filter type=custom --format '{{.Name}}' | grep -vx -e docker_gwbridge -e ingress"

async function clear(hosts: readonly Host[]): Promise<void> {
  await Promise.all(hosts.map((host) => host.run`docker ps -aq | xargs -r docker rm -f`))
  for (const host of hosts) {
    await host.waitUntilSucceeds`sh -c ${`${ownNetworks} | xargs -r docker network rm > /dev/null 2>&1; ! ${ownNetworks}`}`
  }
}
