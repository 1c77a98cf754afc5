/**
 * The picture of the lab as SVG: hosts side by side, or one below the other where there is little room; a band per
 * network through all of them, with its containers, the bridge, the VXLAN device and where its FDB leads; and the
 * tunnel between hosts that both have it. What is not agreed on is red, with its words below.
 */
import { html, type Markup } from '../markup.ts'
import type { Box, Cell, Survey, SurveyedNetwork, Way } from '../survey.ts'

export function labPictures(survey: Survey): Markup {
  return html`<div class="lab">${sideBySide(survey)}${stackedHosts(survey)}</div>`
}

const font = 11
const charWidth = font * 0.605
const boxHeight = (box: Box) => 26 + box.ips.length * 14 + 14
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

/** Between a network's name and its containers, and so on down. */
const nameHeight = 24
const deviceBelow = 17
const wayHeight = 14

function cellHeight(cell: Cell, inner: number): number {
  if (!cell.known && cell.boxes.length === 0) return nameHeight + 10
  return nameHeight + boxesHeight(cell.boxes, inner) + (cell.tunnel ? 42 : 8) + waysHeight(cell)
}

function waysHeight(cell: Cell | undefined): number {
  return cell?.tunnel ? cell.ways.length * wayHeight + 8 : 0
}

function perRow(inner: number): number {
  return Math.max(1, Math.floor((inner + 8) / 138))
}

function boxesHeight(boxes: readonly Box[], inner: number): number {
  const rows = Array.from({ length: Math.ceil(boxes.length / perRow(inner)) }, (_, row) =>
    boxes.slice(row * perRow(inner), (row + 1) * perRow(inner)),
  )
  return sum(rows.map((row) => Math.max(...row.map(boxHeight)) + 10))
}

function band(
  network: SurveyedNetwork,
  n: number,
  cell: Cell,
  x: number,
  top: number,
  inner: number,
  device: number,
): Markup {
  const colour = `net${n % 6}`
  const title = html`<text class="net ${colour}" x="${x}" y="${top + 15}">${clip(network.name, inner / 2)}</text>`
  if (!cell.known && cell.boxes.length === 0)
    return html`${title}<text class="dim" x="${x + inner}" y="${top + 15}" text-anchor="end">not here</text>`
  const pools = html`<text class="dim" x="${x + inner}" y="${top + 15}" text-anchor="end">${clip(network.pools.join(' '), inner / 2)}</text>`
  return html`${title}${pools}${boxesOf(cell, colour, x, top + nameHeight, inner, device - 19)}${cell.tunnel ? deviceOf(cell, colour, x, device, inner) : undefined}`
}

function boxesOf(
  cell: Cell,
  colour: string,
  x: number,
  top: number,
  inner: number,
  bridge: number,
): readonly Markup[] {
  const columns = perRow(inner)
  const width = Math.min(150, (inner + 8) / columns - 8)
  const rowHeight = Math.max(0, ...cell.boxes.map(boxHeight)) + 10
  return cell.boxes.map((box, i) => {
    const [left, y] = [x + (i % columns) * (width + 8), top + Math.floor(i / columns) * rowHeight]
    const state = box.state === 'agreed' ? '' : box.state === 'only in the store' ? ' ghost' : ' wrong'
    const wire = cell.tunnel && box.state !== 'only in the store'
    return html`${wire ? html`<line class="veth ${colour}" x1="${left + width / 2}" x2="${left + width / 2}" y1="${y + boxHeight(box)}" y2="${bridge}"/>` : undefined}<rect class="box ${colour}${state}" x="${left + 0.5}" y="${y + 0.5}" width="${width - 1}" height="${boxHeight(box)}" rx="4"/>
<text class="container${state}" x="${left + 8}" y="${y + 17}">${clip(box.name, width - 16)}</text>${[
      ...box.ips,
      box.mac,
    ].map(
      (line, k) =>
        html`<text class="small${k === box.ips.length ? ' dim' : ''}" x="${left + 8}" y="${y + 32 + k * 14}">${clip(line, width - 14)}</text>`,
    )}`
  })
}

function deviceOf(
  { tunnel: device, ways }: Cell,
  colour: string,
  x: number,
  y: number,
  inner: number,
): Markup {
  if (!device) return html``
  const words = device.bridged === false ? 'vxlan1' : 'br0 · vxlan1'
  return html`<rect class="device ${colour}" x="${x}" y="${y - 19}" width="${inner}" height="26" rx="3"/><text class="ondevice" x="${x + 8}" y="${y - 2}">${words}</text><text class="ondevice" x="${x + inner - 8}" y="${y - 2}" text-anchor="end">VNI ${device.vni} · MTU ${device.mtu}</text>
${ways.map((way, i) => wayOf(way, x + 8, y + 22 + i * wayHeight, inner))}`
}

function wayOf({ to, dst, state }: Way, x: number, y: number, inner: number): Markup {
  const words = { agreed: '', missing: ' · no entry', stray: ' · not in the store' }[state]
  return html`<text class="small${state === 'agreed' ? ' dim' : ' wrong'}" x="${x}" y="${y}">${clip(`${to} → ${dst}${words}`, inner - 8)}</text>`
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

function clip(text: string, width: number): string {
  const room = Math.floor(width / charWidth)
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
