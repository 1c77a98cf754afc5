/**
 * Networks and containers of a host, as its engine and its kernel show them: the question, and the answer as
 * data.
 */
import { type AnswerLine, answerLines, type HostAnswer, list, parsed } from './answers.ts'
import type { ContainerView, HostView, Tunnel } from './snapshot.ts'

/** Command line for a host with Docker; takes some 30 ms. */
export const askHost = `
ask() { printf '\\n%s ' "$1"; shift; "$@"; }
ask containers curl -s --unix-socket /run/docker.sock 'http://docker/containers/json?all=1'
ask networks curl -s --unix-socket /run/docker.sock 'http://docker/networks'
for file in /var/run/docker/netns/????????????; do
  [ -e "$file" ] || continue
  printf '\\nnamespace "%s"' "\${file##*/}"
  nsenter --net="$file" sh -c "printf '\\nlinks '; ip -j -d link; printf '\\naddresses '; ip -j address; printf '\\nfdb '; bridge -j fdb; printf '\\nneighbours '; ip -j neigh"
done; true`

/** `driver`: Docker's name of the driver whose networks are shown. */
export function hostView({ name, address, stdout, silent }: HostAnswer, driver: string): HostView {
  const lines = answerLines(stdout)
  const networks = list<DockerNetwork>(lines, 'networks')
  const spaces = namespaces(lines)
  return {
    name,
    address,
    ...(silent === undefined ? {} : { silent }),
    containers: list<DockerContainer>(lines, 'containers').map(containerView),
    networks: networks
      .filter(({ Driver }) => Driver === driver)
      .map(({ Id, Name }) => ({ id: Id, name: Name })),
    tunnels: spaces.flatMap(tunnelIn),
    interfaces: Object.fromEntries(
      spaces.filter((space) => tunnelIn(space).length === 0).flatMap(interfacesIn),
    ),
  }
}

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

function namespaces(lines: AnswerLine[]): Namespace[] {
  const starts = lines.flatMap(({ word }, i) => (word === 'namespace' ? [i] : []))
  return starts.map((start, i) => {
    const own = lines.slice(start + 1, starts[i + 1])
    return {
      name: parsed<string>(lines[start]?.json) ?? '',
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
