/**
 * A picture laid out as a table, networks by hosts, with everything in it that store, kernel and engine do not agree
 * on. The look takes some 30 ms and the lab moves: a difference is what was so at that moment.
 */

import type { HostView, Picture, StoreView } from '../record/snapshot.ts'
import { type Cell, cellOf, clusterId, isNamespaceOf, type Say } from './cell.ts'

export interface Survey {
  hosts: Pick<HostView, 'name' | 'address' | 'silent'>[]
  networks: SurveyedNetwork[]
  /** One sentence per disagreement. */
  problems: string[]
  /** What the store holds, in a line; absent when there is none. */
  store?: string
}

export interface SurveyedNetwork {
  name: string
  vni: number | undefined
  pools: string[]
  /** One per host, in the hosts' order. */
  cells: Cell[]
}

export function survey({ store, hosts }: Picture): Survey {
  const problems: string[] = []
  const say = (problem: string) => problems.push(problem)
  const ids = [
    ...new Set([
      ...(store?.networks ?? []).map(({ id }) => id),
      ...hosts.flatMap((host) => idsOn(host, store)),
    ]),
  ]
  const networks = ids.map((id) => surveyed(id, store, hosts, say))
  if (store) for (const host of hosts) lostNamespaces(host, say)
  return {
    hosts: hosts.map(({ name, address, silent }) => ({
      name,
      address,
      ...(silent === undefined ? {} : { silent }),
    })),
    networks: networks.filter(({ cells, vni }) => vni !== undefined || cells.some(inUse)),
    problems,
    ...(store ? { store: summary(store) } : {}),
  }
}

function surveyed(id: string, store: StoreView | undefined, hosts: HostView[], say: Say): SurveyedNetwork {
  const record = store?.networks.find((each) => each.id === id)
  const docker = hosts.flatMap((host) =>
    host.networks.filter((network) => clusterId(host, network.id, store) === id),
  )
  const name = record?.name ?? docker[0]?.name ?? id.slice(0, 12)
  const cells = hosts.map((host) => cellOf({ id, name, record, store, host, say }))
  const vnis = cells.flatMap(({ tunnel }) => (tunnel ? [tunnel.vni] : []))
  return { name, vni: record?.vni ?? vnis[0], pools: record?.pools ?? [], cells }
}

function lostNamespaces(host: HostView, say: Say): void {
  for (const tunnel of host.tunnels.filter(
    (each) => !host.networks.some(({ id }) => isNamespaceOf(each, id)),
  ))
    say(
      `${host.name}: namespace ${tunnel.namespace} with VNI ${tunnel.vni} belongs to no network of Docker's`,
    )
}

function idsOn(host: HostView, store: StoreView | undefined): string[] {
  return host.networks.map(({ id }) => clusterId(host, id, store))
}

function inUse({ tunnel, boxes }: Cell): boolean {
  return tunnel !== undefined || boxes.length > 0
}

function summary({ networks, endpoints, services, hosts }: StoreView): string {
  const numbers = {
    network: networks.length,
    endpoint: endpoints.length,
    service: services.length,
    host: hosts.length,
  }
  return Object.entries(numbers)
    .filter(([, count]) => count > 0)
    .map(([noun, count]) => `${count} ${noun}${count === 1 ? '' : 's'}`)
    .join(', ')
}
