/**
 * Draws the lab as SVG: hosts side by side, or one below the other on a narrow screen. Each network is a band
 * through all hosts, with its containers, the bridge, the VXLAN device and the FDB, and with a tunnel between
 * every two hosts that have the network: a line between neighbours, an arc below the hosts between others.
 * Differences are red.
 */

import type { LabView, NetworkView } from '../lab-view.ts'
import { html, type Markup } from '../markup.ts'
import { deviceBelow, drawNetwork, networkHeight, pathsHeight, sum } from './network-drawing.ts'

export function drawLab(lab: LabView): Markup {
  return html`<div class="lab">${sideBySide(lab)}${stackedHosts(lab)}</div>`
}

const headHeight = 34
const padding = 12
const gap = 92

function sideBySide(lab: LabView): Markup {
  const { hosts, networks } = lab
  const width = 1000
  const column = (width - gap * (hosts.length - 1)) / Math.max(1, hosts.length)
  const xOf = (i: number) => i * (column + gap)
  const inner = column - 2 * padding
  const heights = networks.map(({ onHosts }) => {
    const above = onHosts.map((on) => networkHeight(on, inner) - pathsHeight(on))
    return Math.max(...above) + Math.max(...onHosts.map(pathsHeight))
  })
  const tops = heights.map((_, i) => headHeight + sum(heights.slice(0, i)))
  const devices = networks.map((network, n) => deviceY(tops[n], heights[n], network))
  const frame = headHeight + Math.max(40, sum(heights)) + 6
  const arcs = networks.flatMap((network, n) => apart(network).map(([i, j]) => ({ network, n, i, j })))
  const bottom = frame + Math.max(0, ...arcs.map(({ n, i, j }) => arcDepth(n, i, j)))
  const height = bottom + 62
  return svg('wide', width, height, [
    ...hosts.map((host, i) => hostFrame(host, xOf(i), 0, column, frame)),
    ...arcs.map(({ network, n, i, j }) => {
      const x = (host: number) => xOf(host) + column / 2 + 8 + n * 6
      return arc(network, n, x(i), x(j), frame, arcDepth(n, i, j))
    }),
    ...networks.flatMap((network, n) =>
      network.onHosts.map((on, i) =>
        drawNetwork(network, n, on, xOf(i) + padding, tops[n] ?? 0, inner, devices[n] ?? 0),
      ),
    ),
    ...networks.flatMap((network, n) =>
      beside(network).map((i) =>
        tunnel(network, n, xOf(i) + column - padding, xOf(i + 1) + padding, devices[n] ?? 0),
      ),
    ),
    ...(networks.length === 0 ? hosts.map((_, i) => empty(xOf(i) + padding, headHeight + 18)) : []),
    ...hosts.map(
      (_, i) =>
        html`<line class="wire" x1="${xOf(i) + column / 2}" x2="${xOf(i) + column / 2}" y1="${frame}" y2="${bottom + 16}"/>`,
    ),
    underlay(0, bottom + 16, width),
    storeLine(lab, bottom + 46),
  ])
}

function stackedHosts(lab: LabView): Markup {
  const { hosts, networks } = lab
  const width = 360
  const gutter = 8 + networks.length * 9
  const inner = width - padding - gutter - 6
  const space = 30
  const heightsOf = (i: number) =>
    networks.map(({ onHosts }) => (onHosts[i] ? networkHeight(onHosts[i], inner) : 0))
  const frames = hosts.map((_, i) => headHeight + Math.max(40, sum(heightsOf(i))) + 6)
  const topOf = (i: number) => sum(frames.slice(0, i)) + space * i
  const places = hosts.map((_, i) =>
    networks.map((_n, n) => topOf(i) + headHeight + sum(heightsOf(i).slice(0, n))),
  )
  const end = topOf(hosts.length - 1) + (frames.at(-1) ?? 0)
  const device = (i: number, n: number) =>
    (places[i]?.[n] ?? 0) + (heightsOf(i)[n] ?? 0) - pathsHeight(networks[n]?.onHosts[i]) - deviceBelow
  return svg('narrow', width, end + 34, [
    ...hosts.map((host, i) => hostFrame(host, 0, topOf(i), width, frames[i] ?? 0)),
    ...networks.flatMap((network, n) =>
      inARow(network).map(([i, j]) => {
        const x = 8 + n * 9
        const to = gutter
        return html`<path class="tunnel net${n % 6}" d="M${to} ${device(i, n)}H${x}V${device(j, n)}H${to}"/><text class="vni net${n % 6}" x="${x + 6 + n * 90}" y="${topOf(j) - 11}">VXLAN ${network.vni ?? ''}</text>`
      }),
    ),
    ...networks.flatMap((network, n) =>
      network.onHosts.map((on, i) => {
        const top = places[i]?.[n] ?? 0
        return drawNetwork(network, n, on, gutter, top, inner, device(i, n))
      }),
    ),
    ...(networks.length === 0 ? hosts.map((_, i) => empty(padding, topOf(i) + headHeight + 18)) : []),
    storeLine(lab, end + 22),
  ])
}

function svg(name: string, width: number, height: number, parts: readonly Markup[]): Markup {
  return html`<svg class="${name}" viewBox="0 0 ${width} ${Math.ceil(height)}" role="img" aria-label="the lab: hosts, networks, containers, tunnels">${parts}</svg>`
}

function hostFrame(
  host: LabView['hosts'][number],
  x: number,
  y: number,
  width: number,
  height: number,
): Markup {
  const words = host.silent === undefined ? host.address : 'did not answer'
  return html`<rect class="host${host.silent === undefined ? '' : ' silent'}" x="${x + 0.5}" y="${y + 0.5}" width="${width - 1}" height="${height - 1}" rx="6"/>
<text class="name" x="${x + padding}" y="${y + 22}">${host.name}</text><text class="dim" x="${x + width - padding}" y="${y + 22}" text-anchor="end">${words}</text>`
}

function deviceY(top = 0, height = 0, network: NetworkView): number {
  return top + height - Math.max(...network.onHosts.map(pathsHeight)) - deviceBelow
}

/** Indexes of the hosts that have the network. */
const having = ({ onHosts }: NetworkView): number[] => onHosts.flatMap((on, i) => (on.tunnel ? [i] : []))

/**
 * Each host that has the network, with the next that has it: one line through all, where there is no room for
 * arcs.
 */
function inARow(network: NetworkView): [number, number][] {
  const hosts = having(network)
  return hosts.slice(1).map((j, i) => [hosts[i] ?? j, j])
}

/** Hosts that have the network and stand side by side. */
const beside = (network: NetworkView): number[] =>
  inARow(network).flatMap(([i, j]) => (j === i + 1 ? [i] : []))

/** Pairs of hosts that have the network, with other hosts between them. */
function apart(network: NetworkView): [number, number][] {
  const hosts = having(network)
  return hosts.flatMap((i) => hosts.filter((j) => j > i + 1).map((j): [number, number] => [i, j]))
}

/** How far an arc reaches below the hosts: the further apart, the deeper; networks beside each other. */
const arcDepth = (n: number, i: number, j: number) => 14 * (j - i) + 4 * n

function arc({ vni }: NetworkView, n: number, x1: number, x2: number, y: number, depth: number): Markup {
  const below = y + depth * 1.25 // a cubic curve reaches three quarters of the way to its control points
  return html`<path class="tunnel net${n % 6}" d="M${x1} ${y}C${x1} ${below} ${x2} ${below} ${x2} ${y}"><title>VXLAN ${vni ?? ''}</title></path>`
}

function tunnel({ vni }: NetworkView, n: number, x1: number, x2: number, y: number): Markup {
  return html`<line class="tunnel net${n % 6}" x1="${x1}" x2="${x2}" y1="${y - 6}" y2="${y - 6}"/><text class="vni net${n % 6}" x="${(x1 + x2) / 2}" y="${y - 14}" text-anchor="middle">VXLAN ${vni ?? ''}</text>`
}

function underlay(x: number, y: number, width: number): Markup {
  return html`<line class="wire" x1="${x}" x2="${x + width}" y1="${y}" y2="${y}"/><text class="dim" x="${x + width}" y="${y + 15}" text-anchor="end">the lab’s network</text>`
}

function storeLine({ store }: LabView, y: number): Markup {
  return store === undefined ? html`` : html`<text class="dim" x="0" y="${y - 15}">Consul: ${store}</text>`
}

function empty(x: number, y: number): Markup {
  return html`<text class="dim" x="${x}" y="${y}">no network across hosts</text>`
}
