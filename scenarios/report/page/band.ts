/**
 * One network on one host in the picture: its name and pool, the containers, the bridge with the VXLAN device, and
 * where its FDB leads.
 */
import type { Box, Cell, Way } from '../cell.ts'
import { html, type Markup } from '../markup.ts'
import type { SurveyedNetwork } from '../survey.ts'

const font = 11
const charWidth = font * 0.605
const boxHeight = (box: Box) => 26 + box.ips.length * 14 + 14

/** Between a network's name and its containers, and so on down. */
const nameHeight = 24
export const deviceBelow = 17
const wayHeight = 14

export function cellHeight(cell: Cell, inner: number): number {
  if (!cell.known && cell.boxes.length === 0) return nameHeight + 10
  return nameHeight + boxesHeight(cell.boxes, inner) + (cell.tunnel ? 42 : 8) + waysHeight(cell)
}

export function waysHeight(cell: Cell | undefined): number {
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

export function band(
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

function clip(text: string, width: number): string {
  const room = Math.floor(width / charWidth)
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
