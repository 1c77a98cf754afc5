/**
 * The Docker hosts without the containers and networks of a scenario, whichever it left.
 */
import type { Host } from './host.ts'

const ownNetworks =
  "docker network ls --filter type=custom --format '{{.Name}}' | grep -vx -e docker_gwbridge -e ingress"

export async function clear(hosts: readonly Host[]): Promise<void> {
  await Promise.all(hosts.map((host) => host.run`docker ps -aq | xargs -r docker rm -f`))
  for (const host of hosts) {
    await host.waitUntilSucceeds`sh -c ${`${ownNetworks} | xargs -r docker network rm > /dev/null 2>&1; ! ${ownNetworks}`}`
  }
}
