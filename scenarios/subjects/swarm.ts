/**
 * Swarm's overlay as a subject: the engine's own driver, on hosts that form a swarm.
 */
import type { Host } from '../kit/host.ts'
import type { Subject } from '../kit/subject.ts'
import { startOurs, stopOurs } from './stop-ours.ts'

const state = `docker info -f '{{.Swarm.LocalNodeState}}{{.Swarm.Error}}'`

export const swarm: Subject = {
  name: 'swarm',
  role: 'docker',
  mustPass: false,
  steps: [],
  async enter(machines) {
    await stopOurs(machines)
    const [manager, ...workers] = machines
    await joinSwarm([manager.host, ...workers.map(({ host }) => host)])
    return {}
  },
  async leave(machines) {
    await leaveSwarm(machines.map(({ host }) => host))
    await startOurs(machines)
  },
  create: ['-d', 'overlay', '--attachable'],
  spreads: 'with a container',
  unit: 'docker',
  answers: 'docker version > /dev/null',
  settled: `[ "$(${state})" = active ]`,
  evidence: { swarm: 'docker info; docker node ls' },
  inSnapshot: 'overlay',
  lacks: {
    'live-restore': 'an engine in swarm mode refuses live-restore',
    'own process': 'the driver is a part of the engine',
    Consul: 'its store is in the engines of the managers',
  },
}

/** Makes the first host a manager and the others workers. Disposal makes all of them leave. */
export async function joinSwarm([manager, ...workers]: readonly [Host, ...Host[]]): Promise<AsyncDisposable> {
  const at = (host: Host) => ['--advertise-addr', host.address, '--listen-addr', host.address]
  await manager.succeed`/usr/bin/docker swarm init ${at(manager)}`
  const token = await manager.succeed`/usr/bin/docker swarm join-token -q worker`
  for (const worker of workers) {
    await worker.succeed`/usr/bin/docker swarm join ${at(worker)} --token ${token} ${manager.address}:2377`
  }
  return {
    [Symbol.asyncDispose]: () => leaveSwarm([manager, ...workers]),
  }
}

/** The manager, which is the first, leaves last. A host that is in no swarm stays as it is. */
async function leaveSwarm(hosts: readonly Host[]): Promise<void> {
  for (const host of hosts.toReversed()) await host.run`/usr/bin/docker swarm leave --force`
}
