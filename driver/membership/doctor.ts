/**
 * `multihost doctor`: facts, then the checks of them.
 */
import { ask } from '../control/client.ts'
import type { Status, WaitingStatus } from '../control/status.ts'
import type { Ip } from '../core/records.ts'
import type { TunnelStatus } from '../core/tunnels/peers.ts'
import type { parseOpenOptions } from '../daemon/options.ts'
import { underlayFinder } from '../daemon/underlay.ts'
import { engineClient } from '../engine/client.ts'
import { realKernel } from '../kernel/real.ts'
import { machineChecks } from './check-machine.ts'
import { storeFindings } from './check-store.ts'
import { type Asked, asked, type Facts, foundIn, type StoreFacts } from './facts.ts'
import type { Finding } from './finding.ts'
import {
  dockerOptions,
  engineFacts,
  kernelFacts,
  loadsNoModules,
  missingTools,
  neighbourLimit,
  portFacts,
  readOnlyPlaces,
} from './gather-machine.ts'
import { storeFacts } from './gather-store.ts'
import { selfOf } from './settings.ts'
import { isInstalled, unitProperties } from './unit.ts'
import { outOfReach, protection } from './unit-reach.ts'

type Options = ReturnType<typeof parseOpenOptions>

export function findingsOf(facts: Facts): Finding[] {
  return [...machineChecks.flatMap((check) => check(facts)), ...storeFindings(facts)]
}

export async function gather(options: Options): Promise<Facts> {
  const { addressPools, dnsListen, bindInterface, controlSocket, kvStore, filterIsOn } = options
  const status = await asked(() => ask<Status | WaitingStatus>(controlSocket, 'GET', '/status'))
  const isMember = 'found' in status && !('waiting' in status.found)
  const [machine, underlay, store, tunnels] = await Promise.all([
    machineFacts(options),
    underlayFacts(options, isMember ? (status.found as Status).underlay.address : undefined),
    kvStore === undefined ? undefined : storeOf(options, kvStore),
    isMember ? tunnelFacts(options) : undefined,
  ])
  return {
    ...machine,
    readOnly: 'found' in status ? [] : await readOnlyPlaces(),
    wanted: {
      addressPools,
      filterIsOn,
      ...(dnsListen !== undefined && { dnsAddress: dnsListen.address }),
      ...(bindInterface !== undefined && { bindInterface }),
    },
    underlay,
    vxlanPort:
      'found' in underlay
        ? await asked(() => portFacts(underlay.found.address, 'found' in status))
        : { failed: 'the interface of the VTEP is not found' },
    tunnels,
    store,
  }
}

export function tunnelFacts({
  controlSocket,
}: Pick<Options, 'controlSocket'>): Promise<Asked<TunnelStatus[]>> {
  return asked(() => ask<TunnelStatus[]>(controlSocket, 'GET', '/tunnels'))
}

async function machineFacts(options: Options) {
  const client = engineClient(options.dockerSocket)
  try {
    const [kernel, noModules, neighbours, tools, unit, reach, engine, docker] = await Promise.all([
      kernelFacts(),
      loadsNoModules(),
      neighbourLimit(),
      missingTools(),
      asked(isInstalled),
      asked(async () => outOfReach(options, await unitProperties(protection))),
      asked(() => engineFacts(client)),
      asked(dockerOptions),
    ])
    return {
      kernel,
      loadsNoModules: noModules,
      neighbourLimit: neighbours,
      missingTools: tools,
      hasUnit: unit,
      outOfReach: foundIn(reach) ?? [],
      engine,
      docker,
    }
  } finally {
    client.close()
  }
}

/** `inUse`: the VTEP of the driver that runs. It keeps its address when the interface gets a further one. */
async function underlayFacts(
  { kvStore, bindInterface, namespaceFolder }: Options,
  inUse: Ip | undefined,
): Promise<Facts['underlay']> {
  const kernel = realKernel({ folder: namespaceFolder })
  try {
    const find = underlayFinder(kernel, { bindInterface, kvStore })
    return await asked(() => find(inUse === undefined ? undefined : { address: inUse }))
  } finally {
    await kernel.close()
  }
}

export async function storeOf(options: Options, kvStore: string): Promise<StoreFacts> {
  const { tls, tokenFile, stateDir } = options
  const { name, identity } = await selfOf(options)
  return storeFacts({ kvStore, tokenFile, tls, stateDir, name, id: identity?.id })
}
