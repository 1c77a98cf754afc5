/**
 * Removes the containers and networks that a scenario has left on the Docker hosts.
 */
import type { Host } from './host.ts'
import { together } from './together.ts'

const containers = 'docker ps -aq --no-trunc'
const networks = "docker network ls --filter type=custom --format '{{.Name}}'"
/** Networks that engines create for themselves. */
const engines = ['docker_gwbridge', 'ingress']

/** Ids of the containers and names of the networks on the hosts. */
export async function belongings(hosts: readonly Host[]): Promise<string[]> {
  const list = `${containers} && ${networks}`
  const lists = await together(hosts.map((host) => host.succeed`sh -c ${list}`))
  return lists.flatMap((text) => text.split('\n')).filter(Boolean)
}

/** Removes everything that is not `spared`. Tries until all of it is gone: a network comes back while another host uses it. */
export async function clear(hosts: readonly Host[], spared: readonly string[] = []): Promise<void> {
  await together(hosts.map((host) => remove(host, containers, 'docker rm -f', spared)))
  for (const host of hosts) await remove(host, networks, 'docker network rm', [...engines, ...spared])
}

function remove(host: Host, list: string, rm: string, spared: readonly string[]): Promise<string> {
  const others = `grep -vxF -e '' ${spared.map((each) => `-e ${each}`).join(' ')}`
  return host.waitUntilSucceeds`sh -c ${`all=$(${list}) || exit 1; left=$(echo "$all" | ${others}); [ -z "$left" ] || { ${rm} $left; false; }`}`
}
