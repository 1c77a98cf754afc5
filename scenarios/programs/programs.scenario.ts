/**
 * Real programs on four hosts, from Debian's packages: clusters that find their members by address and by
 * name, while a member restarts and a host loses power.
 *
 *     npm run scenarios -- programs
 */
import { afterAll, beforeAll, expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import { scenarioOn } from '../kit/enough.ts'
import type { Container, ContainerOptions, Host } from '../kit/host.ts'
import { sharedNetwork } from '../kit/network.ts'
import { labHosts } from '../kit/scenario.ts'
import { together } from '../kit/together.ts'
import { image, importImage, removeImage } from './image.ts'

/** A run brings up a lab with so many for this file (scenarios/selection.ts). */
export const dockerHosts = 4

const scenario = scenarioOn({ docker: dockerHosts })
const withinMs = 60_000

beforeAll(async () => {
  const { hosts } = await labHosts()
  if (hosts.length >= dockerHosts) await importImage(hosts)
})
afterAll(async () => {
  const { hosts } = await labHosts()
  if (hosts.length >= dockerHosts) await removeImage(hosts)
})

/** Containers that Docker starts again, as people run such programs. */
async function started(
  members: readonly [Host, ContainerOptions][],
): Promise<AsyncDisposable & { containers: Container[] }> {
  const args = ['--restart', 'always']
  const containers = await together(members.map(([host, options]) => host.run({ image, args, ...options })))
  return { containers, ...atEnd(() => together(containers.map((each) => each.remove()))) }
}

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at + 1)

scenario(
  'Redis Cluster of six finds its members by address: one restarts, a host loses power, and every key is there',
  { timeout: 300_000 },
  async ({ hosts, faults }) => {
    await using network = await sharedNetwork(hosts, 'redis')
    const words = '--cluster-enabled yes --cluster-node-timeout 3000 --appendonly yes --protected-mode no'
    const members = numbers(6).map((n): [Host, ContainerOptions] => [
      hosts[(n - 1) % hosts.length] as Host,
      { name: `redis-${n}`, network: network.name, command: ['redis-server', ...words.split(' ')] },
    ])
    await using cluster = await started(members)
    const [first, second, , fourth] = cluster.containers as [Container, Container, Container, Container]
    const addresses = cluster.containers.map(({ address }) => `${address}:6379`)
    await together(cluster.containers.map((each) => each.within(withinMs).waitUntilSucceeds`redis-cli ping`))
    await first.succeed`redis-cli --cluster create ${addresses} --cluster-replicas 1 --cluster-yes`

    const isWhole = `redis-cli cluster info | grep -q cluster_state:ok && [ $(redis-cli cluster nodes | grep -c ' connected') = 6 ] && ! redis-cli cluster nodes | grep -q fail`
    const whole = () =>
      together(cluster.containers.map((each) => each.within(withinMs).waitUntilSucceeds`sh -c ${isWhole}`))
    const all = (word: string) => `for i in $(seq 100); do echo ${word}; done | redis-cli -c`
    await whole()
    await first.succeed`sh -c ${all('set key$i $i')}`
    const hasAll = `[ $(${all('get key$i')} | grep -xcE '[0-9]+') = 100 ]`
    await first.succeed`sh -c ${hasAll}`

    await hosts[1].succeed`docker restart -t 5 redis-2`
    expect(await second.currentAddress()).toBe(second.address)
    await whole()
    const [, , , last] = hosts as unknown as [Host, Host, Host, Host]
    const off = await faults.off(last)
    await first.within(withinMs).waitUntilSucceeds`sh -c ${hasAll}`
    await off.heal()
    expect(await fourth.currentAddress()).toBe(fourth.address)
    await whole()
    await first.succeed`sh -c ${hasAll}`
  },
)

scenario(
  'etcd of three, by name: one restarts, a host loses power, and what was written is read everywhere',
  { timeout: 300_000 },
  async ({ hosts, faults }) => {
    await using network = await sharedNetwork(hosts, 'etcd')
    const initial = numbers(3).map((n) => `etcd-${n}=http://etcd-${n}:2380`)
    const members = numbers(3).map((n): [Host, ContainerOptions] => {
      const name = `etcd-${n}`
      const words = [
        ...['--name', name, '--data-dir', '/var/lib/etcd/data', '--initial-cluster', initial.join(',')],
        ...[
          '--listen-peer-urls',
          'http://0.0.0.0:2380',
          '--initial-advertise-peer-urls',
          `http://${name}:2380`,
        ],
        ...['--listen-client-urls', 'http://0.0.0.0:2379', '--advertise-client-urls', `http://${name}:2379`],
      ]
      return [hosts[n - 1] as Host, { name, network: network.name, command: ['etcd', ...words] }]
    })
    await using cluster = await started(members)
    const [first, , third] = cluster.containers as [Container, Container, Container]
    const health =
      'etcdctl --endpoints=http://etcd-1:2379,http://etcd-2:2379,http://etcd-3:2379 endpoint health'
    const healthy = () =>
      together(cluster.containers.map((each) => each.within(withinMs).waitUntilSucceeds`sh -c ${health}`))
    await healthy()
    await first.succeed`etcdctl put before restart`
    await hosts[1].succeed`docker restart -t 5 etcd-2`
    await healthy()
    const off = await faults.off(hosts[2] as Host)
    await first.within(withinMs).waitUntilSucceeds`etcdctl put while off`
    await off.heal()
    await healthy()
    expect(await third.succeed`etcdctl get --print-value-only before`).toBe('restart')
    expect(await third.succeed`etcdctl get --print-value-only while`).toBe('off')
  },
)

const folder = '/var/lib/postgresql/data'
const programs = 'PATH=$(echo /usr/lib/postgresql/*/bin):$PATH'
const serve = `exec runuser -u postgres -- env "$PATHS" postgres -D ${folder} -k /tmp -c listen_addresses='*'`
const make = (how: string) => `PATHS=${programs}
if [ ! -e ${folder}/PG_VERSION ]; then
  install -d -o postgres -m 0700 ${folder}
  ${how}
fi
${serve}`
const primaryScript = make(`runuser -u postgres -- env "$PATHS" initdb -D ${folder} -A trust > /dev/null
  printf 'host all all all trust\nhost replication all all trust\n' >> ${folder}/pg_hba.conf`)
const standbyScript = make(
  `runuser -u postgres -- env "$PATHS" pg_basebackup -h primary -D ${folder} -R -X stream || exit 1`,
)

scenario(
  'PostgreSQL and its standby find each other by name: the primary restarts and its host loses power',
  { timeout: 300_000 },
  async ({ hosts, hostA, hostB, faults }) => {
    await using network = await sharedNetwork(hosts, 'postgres')
    const database = (name: string, script: string) => ({
      name,
      network: network.name,
      command: ['sh', '-c', script],
    })
    await using first = await started([[hostB, database('primary', primaryScript)]])
    const [primary] = first.containers as [Container]
    const sql = (words: string) => `psql -h localhost -U postgres -tAc "${words}"`
    await primary.within(withinMs).waitUntilSucceeds`sh -c ${sql('create table if not exists t (n int)')}`
    await using second = await started([[hostA, database('standby', standbyScript)]])
    const [standby] = second.containers as [Container]
    const insert = (n: number) =>
      primary.within(withinMs).waitUntilSucceeds`sh -c ${sql(`insert into t values (${n})`)}`
    const isAt = (n: number) =>
      standby.within(withinMs).waitUntilSucceeds`sh -c ${`[ "$(${sql('select max(n) from t')})" = ${n} ]`}`

    await insert(1)
    await isAt(1)
    await hostB.succeed`docker restart -t 10 primary`
    await insert(2)
    await isAt(2)
    const off = await faults.off(hostB)
    await isAt(2)
    await off.heal()
    await insert(3)
    await isAt(3)
  },
)
