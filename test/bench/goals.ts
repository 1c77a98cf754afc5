/**
 * The goals beside what this run reached. A goal that is missed is said, not failed.
 */

import { markdownTable } from '../../driver/cli/table.ts'
import type { Summary } from '../../scenarios/report/statistics.ts'
import { type Ours, type Peer, ratioOf, type Sample, summaryOf } from './samples.ts'

export interface Goal {
  title: string
  limit: number
  /** `least`: the value is to be at least the limit. */
  kind: 'least' | 'most'
  unit: string
  value: number | undefined
  reached: boolean | undefined
}

export function goals(samples: readonly Sample[]): Goal[] {
  const of = (id: string, pick: keyof Summary = 'median'): number | undefined =>
    summaryOf(samples, id, 'multihost')?.[pick]
  const ratio = (id: string, peer: Peer, our?: Ours): number | undefined => ratioOf(samples, id, peer, our)
  return [
    goal('TCP, one stream', 'least', 1, '× swarm', ratio('tcp-1', 'swarm')),
    goal('TCP, four streams', 'least', 1, '× swarm', ratio('tcp-4', 'swarm')),
    goal('TCP, one stream', 'least', 0.7, '× bare', ratio('tcp-1', 'bare')),
    goal('TCP, four streams', 'least', 0.7, '× bare', ratio('tcp-4', 'bare')),
    goal('TCP, one stream, macvlan', 'least', 0.8, '× bare', ratio('tcp-1', 'bare', 'macvlan')),
    goal('TCP, four streams, macvlan', 'least', 0.8, '× bare', ratio('tcp-4', 'bare', 'macvlan')),
    goal('container start', 'most', 0.75, '× swarm', ratio('run', 'swarm')),
    goal('convergence, p99', 'most', 100, 'ms', of('start-reply', 'p99')),
    goal('convergence of names, p99', 'most', 100, 'ms', of('start-name', 'p99')),
    goal('a network on the other host', 'most', 300, 'ms', of('create-listed')),
    goal('CreateEndpoint, p50', 'most', 15, 'ms', of('call/further/CreateEndpoint')),
    goal('Join, p50', 'most', 15, 'ms', of('call/further/Join')),
    goal('CPU at rest, no network', 'most', 0.2, '%', of('rest')),
    goal('CPU at rest, two networks', 'most', 0.3, '%', of('rest-used')),
    goal('memory', 'most', 120, 'MB', of('memory-used', 'max')),
  ]
}

function goal(
  title: string,
  kind: Goal['kind'],
  limit: number,
  unit: string,
  value: number | undefined,
): Goal {
  const reached = value === undefined ? undefined : kind === 'least' ? value >= limit : value <= limit
  return { title, limit, kind, unit, value, reached }
}

export function goalTable(all: readonly Goal[]): string {
  const rows = all.map(({ title, kind, limit, unit, value, reached }) => [
    title,
    `${kind === 'least' ? '≥' : '≤'} ${limit} ${unit}`,
    value === undefined ? '–' : `${Number(value.toPrecision(3))} ${unit}`,
    reached === undefined ? 'not measured' : reached ? 'reached' : 'missed',
  ])
  return markdownTable(['goal', '', 'this run', ''], rows)
}
