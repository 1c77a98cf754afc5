/**
 * Two hosts as a swarm: the first is the manager, the second a worker.
 */
import type { Host } from '../kit/host.ts'

export async function joinSwarm([manager, worker]: readonly [Host, Host]): Promise<AsyncDisposable> {
  const at = (host: Host) => ['--advertise-addr', host.address, '--listen-addr', host.address]
  await manager.succeed`/usr/bin/docker swarm init ${at(manager)}`
  const token = await manager.succeed`/usr/bin/docker swarm join-token -q worker`
  await worker.succeed`/usr/bin/docker swarm join ${at(worker)} --token ${token} ${manager.address}:2377`
  return {
    async [Symbol.asyncDispose]() {
      for (const host of [worker, manager]) await host.run`/usr/bin/docker swarm leave --force`
    },
  }
}
