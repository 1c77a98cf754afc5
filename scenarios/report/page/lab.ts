/**
 * The picture of the lab as SVG: hosts side by side, or one below the other where there is little room; a band per
 * network through all of them, with its containers, the bridge, the VXLAN device and where its FDB leads; and the
 * tunnel between hosts that both have it. What is not agreed on is red, with its words below.
 */
import { html, type Markup } from '../markup.ts'
import type { Survey, SurveyedNetwork } from '../survey.ts'
import { band, cellHeight, deviceBelow, sum, waysHeight } from './band.ts'

export function labPictures(survey: Survey): Markup {
  return html`<div class="lab">${sideBySide(survey)}${stackedHosts(survey)}</div>`
}

const headHeight = 34
const padding = 12
const gap = 92

function sideBySide(survey: Survey): Markup {
  const { hosts, networks } = survey
  const width = 1000
  const column = (width - gap * (hosts.length - 1)) / Math.max(1, hosts.length)
  const xOf = (i: number) => i * (column + gap)
  const inner = column - 2 * padding
  const heights = networks.map(({ cells }) => {
    const above = cells.map((cell) => cellHeight(cell, inner) - waysHeight(cell))
    return Math.max(...above) + Math.max(...cells.map(waysHeight))
  })
  const tops = heights.map((_, i) => headHeight + sum(heights.slice(0, i)))
  const devices = networks.map((network, n) => deviceY(tops[n], heights[n], network))
  const bottom = headHeight + Math.max(40, sum(heights)) + 6
  const height = bottom + 62
  return svg('wide', width, height, [
    ...hosts.map((host, i) => hostFrame(host, xOf(i), 0, column, bottom)),
    ...networks.flatMap((network, n) =>
      network.cells.map((cell, i) =>
        band(network, n, cell, xOf(i) + padding, tops[n] ?? 0, inner, devices[n] ?? 0),
      ),
    ),
    ...networks.flatMap((network, n) =>
      between(network).map((i) =>
        tunnel(network, n, xOf(i) + column - padding, xOf(i + 1) + padding, devices[n] ?? 0),
      ),
    ),
    ...(networks.length === 0 ? hosts.map((_, i) => empty(xOf(i) + padding, headHeight + 18)) : []),
    ...hosts.map(
      (_, i) =>
        html`<line class="wire" x1="${xOf(i) + column / 2}" x2="${xOf(i) + column / 2}" y1="${bottom}" y2="${bottom + 16}"/>`,
    ),
    underlay(0, bottom + 16, width),
    storeLine(survey, 0, bottom + 46),
  ])
}

function stackedHosts(survey: Survey): Markup {
  const { hosts, networks } = survey
  const width = 360
  const gutter = 8 + networks.length * 9
  const inner = width - padding - gutter - 6
  const space = 30
  const heightsOf = (i: number) => networks.map(({ cells }) => (cells[i] ? cellHeight(cells[i], inner) : 0))
  const frames = hosts.map((_, i) => headHeight + Math.max(40, sum(heightsOf(i))) + 6)
  const topOf = (i: number) => sum(frames.slice(0, i)) + space * i
  const places = hosts.map((_, i) =>
    networks.map((_n, n) => topOf(i) + headHeight + sum(heightsOf(i).slice(0, n))),
  )
  const end = topOf(hosts.length - 1) + (frames.at(-1) ?? 0)
  const device = (i: number, n: number) =>
    (places[i]?.[n] ?? 0) + (heightsOf(i)[n] ?? 0) - waysHeight(networks[n]?.cells[i]) - deviceBelow
  return svg('narrow', width, end + 34, [
    ...hosts.map((host, i) => hostFrame(host, 0, topOf(i), width, frames[i] ?? 0)),
    ...networks.flatMap((network, n) =>
      between(network).map((i) => {
        const x = 8 + n * 9
        const to = gutter
        return html`<path class="tunnel net${n % 6}" d="M${to} ${device(i, n)}H${x}V${device(i + 1, n)}H${to}"/><text class="vni net${n % 6}" x="${x + 6 + n * 90}" y="${topOf(i + 1) - 11}">VXLAN ${network.vni ?? ''}</text>`
      }),
    ),
    ...networks.flatMap((network, n) =>
      network.cells.map((cell, i) => {
        const top = places[i]?.[n] ?? 0
        return band(network, n, cell, gutter, top, inner, device(i, n))
      }),
    ),
    ...(networks.length === 0 ? hosts.map((_, i) => empty(padding, topOf(i) + headHeight + 18)) : []),
    storeLine(survey, 0, end + 22),
  ])
}

function svg(name: string, width: number, height: number, parts: readonly Markup[]): Markup {
  return html`<svg class="${name}" viewBox="0 0 ${width} ${Math.ceil(height)}" role="img" aria-label="the lab: hosts, networks, containers, tunnels">${parts}</svg>`
}

function hostFrame(
  host: Survey['hosts'][number],
  x: number,
  y: number,
  width: number,
  height: number,
): Markup {
  const words = host.silent === undefined ? host.address : 'did not answer'
  return html`<rect class="host${host.silent === undefined ? '' : ' silent'}" x="${x + 0.5}" y="${y + 0.5}" width="${width - 1}" height="${height - 1}" rx="6"/>
<text class="name" x="${x + padding}" y="${y + 22}">${host.name}</text><text class="dim" x="${x + width - padding}" y="${y + 22}" text-anchor="end">${words}</text>`
}

function deviceY(top = 0, height = 0, network: SurveyedNetwork): number {
  return top + height - Math.max(...network.cells.map(waysHeight)) - deviceBelow
}

/** Hosts after which the network goes on at the next one. */
function between({ cells }: SurveyedNetwork): number[] {
  return cells.flatMap((cell, i) => (cell.tunnel && cells[i + 1]?.tunnel ? [i] : []))
}

function tunnel({ vni }: SurveyedNetwork, n: number, x1: number, x2: number, y: number): Markup {
  return html`<line class="tunnel net${n % 6}" x1="${x1}" x2="${x2}" y1="${y - 6}" y2="${y - 6}"/><text class="vni net${n % 6}" x="${(x1 + x2) / 2}" y="${y - 14}" text-anchor="middle">VXLAN ${vni ?? ''}</text>`
}

function underlay(x: number, y: number, width: number): Markup {
  return html`<line class="wire" x1="${x}" x2="${x + width}" y1="${y}" y2="${y}"/><text class="dim" x="${x + width}" y="${y + 15}" text-anchor="end">the lab’s network</text>`
}

function storeLine({ store }: Survey, x: number, y: number): Markup {
  return store === undefined ? html`` : html`<text class="dim" x="${x}" y="${y - 15}">Consul: ${store}</text>`
}

function empty(x: number, y: number): Markup {
  return html`<text class="dim" x="${x}" y="${y}">no network that spans hosts</text>`
}
