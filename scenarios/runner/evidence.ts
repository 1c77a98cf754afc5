/**
 * What every host knew when a scenario failed: logs, links, FDB, neighbours, networks, the store's tree and a
 * capture of the underlay, as files under report/evidence/.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Host } from './host.ts'

const folder = fileURLToPath(new URL('../../report/evidence/', import.meta.url))

/** Title → command line. None may hang, and none is demanded to succeed: it is evidence. */
const questions: Record<string, string> = {
  'driver log': 'journalctl -u multihost --no-pager -n 300 -o short-precise',
  'docker log': 'journalctl -u docker --no-pager -n 100 -o short-precise',
  'driver status': 'multihost status --json',
  containers: 'docker ps -a --no-trunc',
  networks: 'docker network inspect $(docker network ls -q --filter driver=vxlan)',
  links: 'ip -d link show',
  'network namespaces':
    'for n in /var/run/docker/netns/????????????; do echo "== $n"; nsenter --net=$n sh -c "ip -d link; ip -d address; bridge fdb show; ip neigh show; ip -6 neigh show"; done',
  'the underlay, one second': 'timeout 1 tcpdump -nni eth1 -c 200 udp or icmp 2>&1',
}
const storeTree =
  'curl -s \'http://127.0.0.1:8500/v1/kv/multihost/?recurse\' | jq -r \'.[] | .Key + " " + (.Value // "" | @base64d)\''

/** Resolves with the folder that has a file per host. */
export async function collectEvidence(scenario: string, hosts: readonly Host[]): Promise<string> {
  const into = join(folder, scenario.replaceAll(/[^\w]+/g, '-').slice(0, 80))
  mkdirSync(into, { recursive: true })
  await Promise.all(
    hosts.map(async (host) => writeFileSync(join(into, `${host.name}.txt`), await told(host))),
  )
  return into
}

async function told(host: Host): Promise<string> {
  const asked = host.name === 'consul-server' ? { store: storeTree } : questions
  const parts = await Promise.all(
    Object.entries(asked).map(async ([title, command]) => {
      const { stdout, stderr } = await host.run`timeout 5 sh -c ${command}`
      return `━━ ${title}: ${command}\n${stdout}${stderr}`
    }),
  )
  return parts.join('\n')
}
