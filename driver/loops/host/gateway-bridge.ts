/**
 * Has the engine make docker_gwbridge before a network takes the bridge's subnet.
 *
 * The engine makes the bridge when the first container without another gateway starts, with a subnet of its
 * own pools (moby's daemon/libnetwork/default_gateway_linux.go). If a network got that subnet before, none of
 * its containers starts (moby/moby#26912, moby/moby#27890). A bridge that is there is a route of its host,
 * which no network gets. Swarm makes the bridge for its ingress network, and takes one that is there: Docker
 * documents that a person makes it before, to choose its subnet.
 */
import { asDriverError } from '../../core/errors.ts'
import type { Engine, NewEngineNetwork } from '../../engine/engine.ts'
import type { Log } from '../../log.ts'
import { singleFlight } from '../../store/single-flight.ts'
import { createRetryBackoff } from '../kit/retry-backoff.ts'

export interface GatewayBridge {
  /** Resolves when the bridge is there, or is left for later. */
  keep(): Promise<void>
  /** The engine has made or removed a network of that name, or any networks. */
  changed(network?: string): void
  problems(): string[]
}

export interface GatewayBridgeOptions {
  engine: Pick<Engine, 'network' | 'createNetwork' | 'inSwarmMode'>
  log: Log
  /** A network of the cluster may have the subnet that the engine would choose. */
  mayClash(): boolean
  /** A person who removes the bridge makes another one within this time. */
  graceMs: number
}

const name = 'docker_gwbridge'

/** As the engine makes it, from 20.10 to 29. */
const bridge: NewEngineNetwork = {
  name,
  driver: 'bridge',
  internal: false,
  attachable: false,
  ipv6: false,
  options: {
    'com.docker.network.bridge.name': name,
    'com.docker.network.bridge.enable_icc': 'false',
    'com.docker.network.bridge.enable_ip_masquerade': 'true',
  },
  labels: {},
  ipamDriver: 'default',
  ipamOptions: {},
  pools: [],
}

export function createGatewayBridge({ engine, log, mayClash, graceMs }: GatewayBridgeOptions): GatewayBridge {
  const failures = createRetryBackoff({ onNew: (_, message) => log.warn({}, message) })
  let isUnsure = true
  let wasThere = false
  let missingSince: number | undefined

  /** False when it is left for later. */
  const isThere = async (): Promise<boolean> => {
    if ((await engine.network(name)) !== undefined || (await engine.inSwarmMode())) return true
    // It is the engine's to make when a container needs it: that network may be internal.
    if (mayClash()) return true
    missingSince ??= performance.now()
    const isPersons = wasThere && performance.now() - missingSince < graceMs
    if (isPersons || !failures.mayTry(name)) return false
    try {
      await engine.createNetwork(bridge)
    } catch (error) {
      failures.failed(name, problem(asDriverError(error).line))
      return false
    }
    log.info({}, `the engine has made ${name}`)
    return true
  }
  const look = async (): Promise<void> => {
    if (!isUnsure) return
    isUnsure = false
    // An engine that does not answer is asked again.
    if (!(await isThere().catch(() => false))) {
      isUnsure = true
      return
    }
    wasThere = true
    missingSince = undefined
    failures.clear(name)
  }
  return {
    keep: singleFlight(look),
    changed(network = name) {
      if (network === name) isUnsure = true
    },
    problems: failures.messages,
  }
}

function problem(why: string): string {
  return `${name} cannot be made: ${why}; a network may get the subnet that the engine chooses for it later, and then has no containers on this host: mend what Docker says, or make the bridge by hand (docs/addresses.md)`
}
