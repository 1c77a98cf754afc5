/**
 * `--driver`: another subject on the same hosts. Our own driver is stopped and the lab's `docker` command is removed
 * while it is tested, so that no scenario passes by their doing.
 */
import type { ConnectedHost } from '../kit/connected.ts'
import type { Subject } from '../kit/subject.ts'
import { installPlugin, pluginNamed } from './plugin.ts'
import { joinSwarm, swarm } from './swarm.ts'

export interface OtherSubject {
  name: string
  /** A check that the subject fails is a failure of the run. False for Swarm, which is there to compare. */
  mustPass: boolean
  /** Called before our own driver is tested, so that a plugin that does not start is an error at once. */
  install(machines: Machines): Promise<Subject>
  /** Hands the hosts over to the subject. */
  enter(machines: Machines): Promise<void>
}

export type Machines = readonly [ConnectedHost, ...ConnectedHost[]]

/** `word`: `swarm`, or PATH[:NAME] of a plugin. */
export function otherSubject(word: string): OtherSubject {
  if (word === 'swarm') {
    return { name: 'swarm', mustPass: false, install: async () => swarm, enter: enterSwarm }
  }
  const plugin = pluginNamed(word)
  const install = (machines: Machines) => installPlugin(plugin, machines)
  return { name: plugin.name, mustPass: true, install, enter: stopOurs }
}

async function enterSwarm(machines: Machines): Promise<void> {
  await stopOurs(machines)
  const [manager, ...workers] = machines
  await joinSwarm([manager.host, ...workers.map(({ host }) => host)])
}

async function stopOurs(machines: Machines): Promise<void> {
  for (const { host } of machines) {
    await host.succeed`systemctl stop multihost; rm -f /usr/local/bin/docker`
  }
}
