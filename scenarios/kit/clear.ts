/**
 * Removes the containers, published services and networks that a scenario has left on the Docker hosts.
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

/**
 * Removes everything that is not `spared`. Tries until all of it is gone: a network comes back while another
 * host uses it.
 */
export async function clear(hosts: readonly Host[], spared: readonly string[] = []): Promise<void> {
  await together(hosts.map((host) => remove(host, containers, 'docker rm -f', spared)))
  if (hosts[0] !== undefined) await unpublishAll(hosts[0], spared)
  for (const host of hosts) await remove(host, networks, 'docker network rm', [...engines, ...spared])
}

/**
 * A network with a published service is not removed. Another driver than ours has no such services: then
 * nothing is listed.
 */
function unpublishAll(host: Host, spared: readonly string[]): Promise<string> {
  const onSpared = spared.length === 0 ? '' : `&& $3 !~ /^(${spared.join('|')})$/`
  const services = `multihost service ls --no-trunc 2>/dev/null | awk 'NR > 1 ${onSpared} { print $2 "." $3 }'`
  return host.waitUntilSucceeds`sh -c ${`left=$(${services}); [ -z "$left" ] || { echo "$left" | xargs -n1 multihost service unpublish; false; }`}`
}

function remove(host: Host, list: string, rm: string, spared: readonly string[]): Promise<string> {
  const others = `grep -vxF -e '' ${spared.map((each) => `-e ${each}`).join(' ')}`
  return host.waitUntilSucceeds`sh -c ${`all=$(${list}) || exit 1; left=$(echo "$all" | ${others}); [ -z "$left" ] || { ${rm} $left; false; }`}`
}
