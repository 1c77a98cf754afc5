/**
 * What is measured, and how it is shown: the rows of the table, and the goals they are held against.
 *
 * Nothing is asserted: on a shared machine the numbers move, and the ratios between peers of one run are what
 * counts.
 */

import { markdownTable } from '../../driver/cli/table.ts'
import { type Ours, ours, type Peer, peers, ratioOf, type Sample, summaryOf } from './samples.ts'

export interface Figure {
  id: string
  title: string
  unit: string
  digits?: number
  /** `median`: with smallest and largest. `percentiles`: 50th, 90th and 99th. */
  show?: 'median' | 'percentiles'
}

export const figures: readonly Figure[] = [
  { id: 'tcp-1', title: 'TCP, one stream', unit: 'Gbit/s', digits: 2 },
  { id: 'tcp-4', title: 'TCP, four streams', unit: 'Gbit/s', digits: 2 },
  { id: 'cpu-1', title: 'CPU, one stream', unit: 'ms per Gbit', digits: 0 },
  { id: 'cpu-4', title: 'CPU, four streams', unit: 'ms per Gbit', digits: 0 },
  { id: 'udp-1', title: 'UDP, one stream, received', unit: 'Gbit/s', digits: 2 },
  { id: 'udp-4', title: 'UDP, four streams, received', unit: 'Gbit/s', digits: 2 },
  { id: 'udp-loss', title: 'UDP at 300 Mbit/s, lost', unit: '%', digits: 2 },
  { id: 'reply', title: 'request and reply of a byte, TCP', unit: 'ms', digits: 3 },
  { id: 'ping', title: 'ping, average', unit: 'ms', digits: 3 },
  { id: 'ping-mdev', title: 'ping, deviation', unit: 'ms', digits: 3 },
  { id: 'run', title: '`docker run --rm … true`', unit: 'ms' },
  { id: 'run-first', title: 'the same, first of a new network on its host', unit: 'ms' },
  { id: 'connect', title: '`docker network connect`', unit: 'ms' },
  { id: 'start-reply', title: 'process started → reply on the other host', unit: 'ms', show: 'percentiles' },
  { id: 'run-reply', title: '`docker run` called → reply there', unit: 'ms', show: 'percentiles' },
  {
    id: 'start-name',
    title: 'process started → name known on the other host',
    unit: 'ms',
    show: 'percentiles',
  },
  { id: 'run-name', title: '`docker run` called → name known there', unit: 'ms', show: 'percentiles' },
  { id: 'create-listed', title: '`network create` called → listed on the other host', unit: 'ms' },
  { id: 'create-used', title: '`network create`, and a container there has run', unit: 'ms' },
  { id: 'rest', title: 'CPU at rest, no network', unit: '% of a core', digits: 2 },
  { id: 'rest-used', title: 'CPU at rest, two networks', unit: '% of a core', digits: 2 },
  { id: 'memory-idle', title: 'driver’s memory, at rest', unit: 'MB' },
  { id: 'memory-used', title: 'driver’s memory, after the run', unit: 'MB' },
]

export function figureTable(samples: readonly Sample[]): string {
  const rows = figures.map((figure) => [
    `${figure.title}, ${figure.unit}${figure.show === 'percentiles' ? ' (p50 / p90 / p99)' : ''}`,
    ...peers.map((peer) => cell(samples, figure, peer)),
    ratio(samples, figure, 'swarm'),
    ratio(samples, figure, 'bare'),
    ratio(samples, figure, 'bare', 'macvlan'),
  ])
  return markdownTable(['', ...peers, '÷ swarm', '÷ bare', 'macvlan ÷ bare'], rows)
}

function cell(samples: readonly Sample[], { id, digits = 0, show }: Figure, peer: Peer): string {
  const summary = summaryOf(samples, id, peer)
  if (summary === undefined) return '–'
  const { min, median, max, p90, p99 } = summary
  const text = (value: number): string => value.toFixed(digits)
  if (show === 'percentiles') return [median, p90, p99].map(text).join(' / ')
  return `${text(median)} (${text(min)}–${text(max)})`
}

function ratio(samples: readonly Sample[], { id, show }: Figure, peer: Peer, our?: Ours): string {
  return show === 'percentiles' ? '–' : (ratioOf(samples, id, peer, our)?.toFixed(2) ?? '–')
}

/** The driver's own share, call by call: `call/<first|further|connect>/<method>`. */
export function callTable(samples: readonly Sample[]): string {
  const ids = [...new Set(samples.map((it) => it.figure).filter((id) => id.startsWith('call/')))].sort()
  const rows = ids
    .flatMap((id) => ours.map((peer) => [id, peer] as const))
    .flatMap(([id, peer]) => {
      const [, which = '', method = ''] = id.split('/')
      const summary = summaryOf(samples, id, peer)
      if (summary === undefined) return []
      const { median, p90, max, count } = summary
      return [[method, which, peer, ...[median, p90, max].map((it) => it.toFixed(1)), String(count)]]
    })
  return markdownTable(
    ['call', 'container of its network', 'kind', 'p50, ms', 'p90, ms', 'max, ms', 'samples'],
    rows,
  )
}
