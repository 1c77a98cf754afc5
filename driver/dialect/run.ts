/**
 * `docker run` and `docker create` as in 2015: on the default network when none is named, and as the container behind
 * a service with `--publish-service=SERVICE[.NETWORK[.DRIVER]]`.
 *
 * The answer is what docker is to be called with. A container that then fails to start leaves the service
 * published, and free again after half a minute.
 */

import { ask } from '../control/client.ts'
import { DriverError } from '../core/errors.ts'
import { checkServiceName, parsePublished } from '../core/services.ts'
import { type Option, parseOptions, without } from './command-line.ts'
import { clusterNetworks, ensureNetwork, type NetworkTools } from './ensure-network.ts'
import { runFlags } from './flags.ts'
import { localIdFor } from './network-commands.ts'
import type { Attachment } from './routes.ts'

/** Of the words behind `run`; undefined when docker should say what it thinks of them. */
export async function translateRun(words: string[], tools: NetworkTools): Promise<string[] | undefined> {
  const { options, end, unknown } = parseOptions(words, runFlags)
  if (unknown || end >= words.length) return undefined
  const given = (...names: string[]): Option[] => options.filter(({ name }) => names.includes(name))
  const [published, ...more] = given('publish-service')
  const networks = given('net', 'network')
  if (published !== undefined) {
    refuseConflicts([...more, ...networks, ...given('ip', 'ip6')])
    return [...(await publish(published.value ?? '', tools)), ...without(words, published)]
  }
  if (networks.length > 0) return withLocalId(words, networks, tools)
  const { defaultNetwork } = await clusterNetworks(tools)
  await ensureNetwork(tools, defaultNetwork)
  return ['--network', defaultNetwork, ...words]
}

function refuseConflicts([other]: Option[]): void {
  if (other === undefined) return
  if (other.name === 'publish-service') {
    throw new DriverError('invalid', '--publish-service is given twice', {
      hint: 'start the container with one, and add the other with: docker service attach CONTAINER SERVICE',
    })
  }
  throw new DriverError('invalid', `conflicting options: --publish-service and --${other.name}`, {
    hint: 'the service decides the network and the address: leave one of the two out',
  })
}

async function publish(text: string, tools: NetworkTools): Promise<string[]> {
  const { service, network: named, driver } = parsePublished(text)
  checkServiceName(service)
  if (driver !== undefined && driver !== 'overlay' && driver !== 'vxlan') {
    throw new DriverError(
      'invalid',
      `--publish-service=${text}: a service's network is not of driver ${driver}`,
      {
        hint: `write overlay, or leave it out: --publish-service=${service}.${named}`,
      },
    )
  }
  const network = named ?? (await clusterNetworks(tools)).defaultNetwork
  await ensureNetwork(tools, network)
  const name = `${service}.${network}`
  await ask(tools.controlSocket, 'POST', '/services', { name, existing: true })
  const path = `/services/${encodeURIComponent(name)}/attach`
  const { service: view } = await ask<Attachment>(tools.controlSocket, 'POST', path, {})
  return ['--network', network, '--ip', view.v4, ...(view.v6 === undefined ? [] : ['--ip6', view.v6])]
}

/** `--network` with an id of the cluster. */
async function withLocalId(
  words: string[],
  options: Option[],
  tools: NetworkTools,
): Promise<string[] | undefined> {
  const { networks } = await clusterNetworks(tools)
  const changed = [...words]
  for (const { name, value = '', at, words: count } of options) {
    const local = localIdFor(networks, value)
    if (local !== undefined)
      changed.splice(at, count, ...(count === 2 ? [`--${name}`, local] : [`--${name}=${local}`]))
  }
  return changed
}
