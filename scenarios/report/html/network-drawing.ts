/**
 * Draws one network on one host: its name and pools, the containers, the bridge with the VXLAN device, and
 * the FDB.
 */

import type { NetworkView } from '../lab-view.ts'
import { html, type Markup } from '../markup.ts'
import type { DrawnContainer, FdbPath, NetworkOnHost } from '../network-on-host.ts'

const font = 11
const charWidth = font * 0.605
const boxHeight = (box: DrawnContainer) => 26 + box.ips.length * 14 + 14

/** Heights of the parts, from the top: name, containers, device, FDB. */
const nameHeight = 24
export const deviceBelow = 17
const pathHeight = 14

export function networkHeight(on: NetworkOnHost, inner: number): number {
  if (!on.inDocker && on.containers.length === 0) return nameHeight + 10
  return nameHeight + containersHeight(on.containers, inner) + (on.tunnel ? 42 : 8) + pathsHeight(on)
}

export function pathsHeight(on: NetworkOnHost | undefined): number {
  return on?.tunnel ? on.paths.length * pathHeight + 8 : 0
}

function perRow(inner: number): number {
  return Math.max(1, Math.floor((inner + 8) / 138))
}

function containersHeight(containers: readonly DrawnContainer[], inner: number): number {
  const rows = Array.from({ length: Math.ceil(containers.length / perRow(inner)) }, (_, row) =>
    containers.slice(row * perRow(inner), (row + 1) * perRow(inner)),
  )
  return sum(rows.map((row) => Math.max(...row.map(boxHeight)) + 10))
}

export function drawNetwork(
  network: NetworkView,
  n: number,
  on: NetworkOnHost,
  x: number,
  top: number,
  inner: number,
  device: number,
): Markup {
  const colour = `net${n % 6}`
  const title = html`<text class="net ${colour}" x="${x}" y="${top + 15}">${clip(network.name, inner / 2)}</text>`
  if (!on.inDocker && on.containers.length === 0)
    return html`${title}<text class="dim" x="${x + inner}" y="${top + 15}" text-anchor="end">not on this host</text>`
  const pools = html`<text class="dim" x="${x + inner}" y="${top + 15}" text-anchor="end">${clip(network.pools.join(' '), inner / 2)}</text>`
  return html`${title}${pools}${containersOf(on, colour, x, top + nameHeight, inner, device - 19)}${on.tunnel ? deviceOf(on, colour, x, device, inner) : undefined}`
}

function containersOf(
  on: NetworkOnHost,
  colour: string,
  x: number,
  top: number,
  inner: number,
  bridge: number,
): readonly Markup[] {
  const columns = perRow(inner)
  const width = Math.min(150, (inner + 8) / columns - 8)
  const rowHeight = Math.max(0, ...on.containers.map(boxHeight)) + 10
  return on.containers.map((box, i) => {
    const left = x + (i % columns) * (width + 8)
    const y = top + Math.floor(i / columns) * rowHeight
    const state = box.state === 'agreed' ? '' : box.state === 'only in the store' ? ' ghost' : ' wrong'
    const wire = on.tunnel && box.state !== 'only in the store'
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
  { tunnel: device, paths }: NetworkOnHost,
  colour: string,
  x: number,
  y: number,
  inner: number,
): Markup {
  if (!device) return html``
  const words = device.bridged === false ? 'vxlan1' : 'br0 · vxlan1'
  // Four hosts side by side leave no room for both.
  const mtu = inner < 230 ? '' : ` · MTU ${device.mtu}`
  return html`<rect class="device ${colour}" x="${x}" y="${y - 19}" width="${inner}" height="26" rx="3"/><text class="ondevice" x="${x + 8}" y="${y - 2}">${words}</text><text class="ondevice" x="${x + inner - 8}" y="${y - 2}" text-anchor="end">VNI ${device.vni}${mtu}</text>
${paths.map((path, i) => pathLine(path, x + 8, y + 22 + i * pathHeight, inner))}`
}

function pathLine({ to, dst, state }: FdbPath, x: number, y: number, inner: number): Markup {
  const words = { agreed: '', missing: ' · no entry', stray: ' · not in the store' }[state]
  return html`<text class="small${state === 'agreed' ? ' dim' : ' wrong'}" x="${x}" y="${y}">${clip(`${to} → ${dst}${words}`, inner - 8)}</text>`
}

function clip(text: string, width: number): string {
  const room = Math.floor(width / charWidth)
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
