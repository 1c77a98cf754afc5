/**
 * `docker run` and `docker create` as in 2015: on the default network when the user names none, and as the
 * container of a service with `--publish-service=SERVICE[.NETWORK[.DRIVER]]`.
 *
 * The result is the words that docker is to be called with. When that container fails to start, the service
 * stays published. After half a minute another container can be attached, and the container before can start.
 */
import { DriverError } from '../core/errors.ts'
import { checkServiceName, parsePublished } from '../core/services.ts'
import { runFlags } from './docker-options.ts'
import { ensureNetwork, type NetworkTools } from './make-default-network.ts'
import { localIdUnlessName } from './network-commands.ts'
import { type Option, optionsNamed, parseOptions, without } from './parse-command-line.ts'

/** `words` follow `run` or `create`. Undefined when docker itself should answer them. */
export async function translateRun(words: string[], tools: NetworkTools): Promise<string[] | undefined> {
  const { options, end, unknown } = parseOptions(words, runFlags)
  if (unknown || end >= words.length) return undefined
  const given = (...names: string[]) => optionsNamed(options, ...names)
  const [published, ...more] = given('publish-service')
  const networks = given('net', 'network')
  if (published !== undefined) {
    refuseConflicts([...more, ...networks, ...given('ip', 'ip6')])
    return [...(await publish(published.value ?? '', tools)), ...without(words, published)]
  }
  if (networks.length > 0) return withLocalId(words, networks, tools)
  const { defaultNetwork } = await tools.calls.clusterNetworks()
  await ensureNetwork(tools, defaultNetwork)
  return ['--network', defaultNetwork, ...words]
}

function refuseConflicts([other]: Option[]): void {
  if (other === undefined) return
  if (other.name === 'publish-service') {
    throw new DriverError('invalid', '--publish-service is given twice', {
      hint: 'give one, and attach the container to the other service with: docker service attach CONTAINER SERVICE',
    })
  }
  throw new DriverError('invalid', `conflicting options: --publish-service and --${other.name}`, {
    hint: 'leave one of the two out: the service decides the network and the address',
  })
}

/** Docker's options for a container of that service. */
async function publish(text: string, tools: NetworkTools): Promise<string[]> {
  const { networks, defaultNetwork } = await tools.calls.clusterNetworks()
  const isNetwork = (name: string): boolean => networks.some((it) => it.name === name)
  const { service, network = defaultNetwork, driver } = parsePublished(text, isNetwork)
  checkServiceName(service)
  if (driver !== undefined && driver !== 'overlay' && driver !== 'vxlan') {
    const message = `--publish-service=${text}: the driver ${driver} has no services; overlay has`
    const hint = `write --publish-service=${service}.${network}`
    throw new DriverError('invalid', message, { hint })
  }
  await ensureNetwork(tools, network)
  const name = `${service}.${network}`
  await tools.calls.services.publish(name, { existing: true })
  const { v4, v6 } = (await tools.calls.services.attach(name)).service
  return ['--network', network, '--ip', v4, ...(v6 === undefined ? [] : ['--ip6', v6])]
}

/** `--network` with an id of the cluster. */
async function withLocalId(
  words: string[],
  options: Option[],
  tools: NetworkTools,
): Promise<string[] | undefined> {
  const { networks } = await tools.calls.clusterNetworks()
  const changed = [...words]
  for (const { name, value = '', at, words: count } of options) {
    const local = await localIdUnlessName(networks, value, tools)
    if (local === undefined) continue
    changed.splice(at, count, ...(count === 2 ? [`--${name}`, local] : [`--${name}=${local}`]))
  }
  return changed
}
