/**
 * The Docker hosts without the containers and networks of a scenario, whichever it left.
 */
import type { Host } from './host.ts'
import { together } from './together.ts'

const containers = 'docker ps -aq --no-trunc'
const networks = "docker network ls --filter type=custom --format '{{.Name}}'"
/** Networks that engines make for themselves. */
const engines = ['docker_gwbridge', 'ingress']

/** Ids of the containers and names of the networks that are there. */
export async function belongings(hosts: readonly Host[]): Promise<string[]> {
  const list = `${containers} && ${networks}`
  const lists = await together(hosts.map((host) => host.succeed`sh -c ${list}`))
  return lists.flatMap((text) => text.split('\n')).filter(Boolean)
}

/** All goes, or all that is not `spared`. A network may come back while another host has a container on it. */
export async function clear(hosts: readonly Host[], spared: readonly string[] = []): Promise<void> {
  await together(hosts.map((host) => remove(host, containers, 'docker rm -f', spared)))
  for (const host of hosts) await remove(host, networks, 'docker network rm', [...engines, ...spared])
}

/** Again and again, until the list has nothing more. */
function remove(host: Host, list: string, rm: string, spared: readonly string[]): Promise<string> {
  const others = `grep -vxF -e '' ${spared.map((each) => `-e ${each}`).join(' ')}`
  return host.waitUntilSucceeds`sh -c ${`all=$(${list}) || exit 1; left=$(echo "$all" | ${others}); [ -z "$left" ] || { ${rm} $left; false; }`}`
}
