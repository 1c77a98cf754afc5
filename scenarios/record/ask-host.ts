/**
 * What a host's engine and kernel say of networks and containers: the question, and how its answer is read.
 */
import { type Answer, answers, list, parsed, type Told } from './answers.ts'
import type { ContainerView, HostView, Tunnel } from './snapshot.ts'

/** Asked of a host with Docker: some 30 ms. */
export const askHost = `
ask() { printf '\\n%s ' "$1"; shift; "$@"; }
ask containers curl -s --unix-socket /run/docker.sock 'http://docker/containers/json?all=1'
ask networks curl -s --unix-socket /run/docker.sock 'http://docker/networks'
for file in /var/run/docker/netns/????????????; do
  [ -e "$file" ] || continue
  printf '\\nnamespace "%s"' "\${file##*/}"
  nsenter --net="$file" sh -c "printf '\\nlinks '; ip -j -d link; printf '\\naddresses '; ip -j address; printf '\\nfdb '; bridge -j fdb; printf '\\nneighbours '; ip -j neigh"
done; true`

export function hostView({ name, address, stdout, silent }: Answer): HostView {
  const told = answers(stdout)
  const networks = list<DockerNetwork>(told, 'networks')
  const spaces = namespaces(told)
  return {
    name,
    address,
    ...(silent === undefined ? {} : { silent }),
    containers: list<DockerContainer>(told, 'containers').map(containerView),
    networks: networks
      .filter(({ Driver }) => spanning.has(Driver))
      .map(({ Id, Name }) => ({ id: Id, name: Name })),
    tunnels: spaces.flatMap(tunnelIn),
    interfaces: Object.fromEntries(
      spaces.filter((space) => tunnelIn(space).length === 0).flatMap(interfacesIn),
    ),
  }
}

/** Engine's drivers whose networks span hosts: ours, and Swarm's. */
const spanning = new Set(['vxlan', 'overlay'])

interface Namespace {
  name: string
  links: Link[]
  addresses: { address?: string; addr_info?: { local: string; scope: string }[] }[]
  fdb: { mac: string; dst?: string; state?: string; ifname: string }[]
  neighbours: { dst: string; lladdr?: string; dev: string }[]
}

interface Link {
  ifname: string
  mtu: number
  master?: string
  linkinfo?: { info_kind?: string; info_data?: { id?: number; local?: string; port?: number } }
}

function namespaces(told: Told[]): Namespace[] {
  const starts = told.flatMap(({ word }, i) => (word === 'namespace' ? [i] : []))
  return starts.map((start, i) => {
    const own = told.slice(start + 1, starts[i + 1])
    return {
      name: parsed<string>(told[start]?.json) ?? '',
      links: list(own, 'links'),
      addresses: list(own, 'addresses'),
      fdb: list(own, 'fdb'),
      neighbours: list(own, 'neighbours'),
    }
  })
}

function tunnelIn({ name, links, fdb, neighbours }: Namespace): Tunnel[] {
  const device = links.find((link) => link.linkinfo?.info_kind === 'vxlan')
  if (!device) return []
  const { id = 0, local, port = 0 } = device.linkinfo?.info_data ?? {}
  const others = links.filter(({ master, ifname }) => master !== undefined && ifname !== device.ifname)
  return [
    {
      namespace: name,
      vni: id,
      ...(local === undefined ? {} : { local }),
      port,
      mtu: device.mtu,
      bridged: links.some((link) => link.linkinfo?.info_kind === 'bridge'),
      ports: others.map((link) => link.ifname),
      fdb: fdb.flatMap(({ mac, dst }) => (dst === undefined ? [] : [{ mac, dst }])),
      neighbours: neighbours.flatMap(({ dst, lladdr, dev }) =>
        lladdr !== undefined && dev === device.ifname ? [{ ip: dst, mac: lladdr }] : [],
      ),
    },
  ]
}

function interfacesIn({ addresses }: Namespace): [string, string[]][] {
  return addresses.map(({ address = '', addr_info = [] }) => [
    address,
    addr_info.filter(({ scope }) => scope === 'global').map(({ local }) => local),
  ])
}

interface DockerNetwork {
  Id: string
  Name: string
  Driver: string
}

interface DockerContainer {
  Id: string
  Names?: string[]
  State: string
  NetworkSettings?: {
    Networks?: Record<
      string,
      { NetworkID: string; EndpointID: string; IPAddress: string; MacAddress: string } | null
    >
  }
}

function containerView({ Id, Names, State, NetworkSettings }: DockerContainer): ContainerView {
  const networks = Object.entries(NetworkSettings?.Networks ?? {}).flatMap(([name, on]) =>
    on === null
      ? []
      : [{ name, id: on.NetworkID, endpoint: on.EndpointID, ip: on.IPAddress, mac: on.MacAddress }],
  )
  return { id: Id, name: Names?.[0]?.replace(/^\//, '') ?? Id.slice(0, 12), state: State, networks }
}
