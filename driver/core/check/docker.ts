/**
 * Docker ⇔ store: this host's networks and the endpoints of its containers, in the engine and in the store.
 *
 * An endpoint that only the store has belongs to a container that ended without a Leave. An endpoint that
 * only the engine has lost its record, and gets it again if possible (adoption.ts). With `live-restore` a
 * container may run on whose network the engine has lost: its endpoint keeps its records. The engine's terms
 * are translated before this file, since core does not know its API.
 */

import { adoption } from '../endpoints/adoption.ts'
import { recordedContainer } from '../endpoints/description.ts'
import { type DockerState, endpointsIn } from '../endpoints/docker-state.ts'
import { removeEndpointAndLeases } from '../record-changes.ts'
import type { Cidr, Endpoint, EndpointId, Snapshot } from '../records.ts'
import { endpointsOnHost, localIdsOf } from '../snapshot.ts'
import { compareFacts, type Difference, repairHint } from './difference.ts'
import { endpointLabel } from './store.ts'

export interface CheckedDocker extends DockerState {
  /** Endpoints of the running containers, by the containers' own records. */
  attached: ReadonlySet<EndpointId>
}

export function checkDocker(state: CheckedDocker): Difference[] {
  return [...compareNetworks(state), ...compareEndpoints(state)]
}

function compareNetworks({ snapshot, host, networks }: DockerState): Difference[] {
  const wanted = [...snapshot.networks.values()].filter(({ value }) => !value.removing && value.name)
  const want = wanted.map(({ value: { id, name, v4, v6 } }) => {
    const pools = [v4.cidr, ...(v6 === undefined ? [] : [v6.cidr])]
    return [`network ${name}`, networkText(localIdsOf(snapshot, host, id), pools)] as const
  })
  const have = new Map<string, string>()
  for (const { localId, name, pools } of networks) {
    const object = `network ${name}`
    const before = have.get(object)
    const text = networkText([localId], pools)
    have.set(object, before === undefined ? text : `${before} and ${text}`)
  }
  const notInStore = new Set(
    networks.filter((it) => it.network === undefined).map(({ name }) => `network ${name}`),
  )
  const more = (object: string) => ({ hint: notInStore.has(object) ? notInStoreHint : networkHint })
  return compareFacts({ plane: 'docker', want: new Map(want), have, more })
}

const networkHint = `${repairHint}; if the difference stays, multihost status shows the reason`
const notInStoreHint = 'it is not in the store; remove it and create it again'

function networkText(localIds: readonly string[], pools: readonly Cidr[]): string {
  const ids = localIds.map((id) => id.slice(0, 12)).join(' and ')
  return `${ids || 'one'} with ${[...pools].sort().join(', ')}`
}

function compareEndpoints(state: CheckedDocker): Difference[] {
  const { snapshot, host, attached } = state
  const want = new Map<string, string>()
  const have = new Map<string, string>()
  const remedies = new Map<string, Remedy>()
  for (const at of endpointsOnHost(snapshot, host)) {
    const object = nameOf(snapshot, at.value)
    want.set(object, endpointText(at.value, at.value.joined ? at.value.container : undefined))
    const runsOn = attached.has(at.value.id)
    remedies.set(object, runsOn ? lostNetwork(at.value) : { repair: removeEndpointAndLeases(snapshot, at) })
  }
  for (const [network, found] of endpointsIn(state)) {
    const object = nameOf(snapshot, { id: found.id, network })
    have.set(object, endpointText(found, found.container && recordedContainer(found.container)))
    const repair = want.has(object) ? undefined : adoption(state, network, found)
    remedies.set(object, repair ? { repair } : want.has(object) ? {} : { hint: takenHint })
  }
  return compareFacts({ plane: 'docker', want, have, more: (object) => remedies.get(object) ?? {} })
}

type Remedy = Partial<Pick<Difference, 'hint' | 'repair'>>

function lostNetwork({ container }: Endpoint): Remedy {
  const name = container?.name ?? 'NAME'
  return {
    hint: `Docker has lost its network, and the container runs on: docker stop ${name}, and start it again`,
  }
}

function nameOf(snapshot: Snapshot, at: Pick<Endpoint, 'id' | 'network'>): string {
  return endpointLabel(snapshot, { id: at.id, network: at.network })
}

const takenHint = 'disconnect its container from the network and connect it again: its address is not free'

function endpointText({ v4, mac }: Pick<Endpoint, 'v4' | 'mac'>, container: Endpoint['container']): string {
  return `${v4} ${mac} ${container === undefined ? 'in no container' : `in container ${container.name}`}`
}
