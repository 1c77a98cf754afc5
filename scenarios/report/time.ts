/**
 * Where the time of a round went: its phases in order, and what each host did when.
 */
import type { Timing } from '../../provision/cli/progress.ts'
import { ownDriver, type RunEvent } from '../record/events.ts'
import { fileTitle } from './format.ts'
import type { Group, Scenario } from './model.ts'

export interface Phase {
  name: string
  kind: Kind
  ms: number
}

/** Selects the colour. */
export type Kind = 'prepare' | 'boot' | 'provision' | 'runner' | 'act' | 'wait' | 'down' | 'failed' | 'lookup'

export interface Bar {
  title: string
  kind: Kind
  at: number
  ms: number
  /** Anchor of the scenario. */
  id?: string
}

export interface Row {
  label: string
  bars: Bar[]
}

/** The phases of the round; their times add up to the round's. */
export function phasesOf(run: RunEvent, scenarios: readonly Scenario[]): Phase[] {
  const bringUp = bringUpOf(run)
  const inside = (part: Timing) => bringUp.at + part.atMs
  const isFirst = (part: Timing) => inside(part) < bringUp.end
  const boots = bringUp.parts.filter((part) => part.title.endsWith('/ boot') && isFirst(part))
  const further = lengthOf(
    bringUp.parts.filter((part) => !isFirst(part)).map((part) => ({ at: inside(part), ms: part.ms })),
  )
  const hostsAt = Math.min(bringUp.end, ...boots.map(inside))
  const booted = Math.max(hostsAt, ...boots.map((part) => inside(part) + part.ms))
  const replay = run.replay ?? { at: bringUp.end, ms: 0 }
  const waiting = lengthOf(scenarios.flatMap(({ waits }) => waits))
  const acting = lengthOf(scenarios) - waiting
  const phases: Phase[] = [
    { name: 'image, network and subject bundle', kind: 'prepare', ms: hostsAt - run.at },
    { name: 'boot', kind: 'boot', ms: booted - hostsAt },
    { name: 'provisioning', kind: 'provision', ms: replay.at - booted },
    { name: 'scenarios: commands', kind: 'act', ms: acting },
    { name: 'scenarios: waits', kind: 'wait', ms: waiting },
    { name: 'a further lab', kind: 'boot', ms: further },
    { name: 'vitest, and the set-up of files', kind: 'runner', ms: replay.ms - acting - waiting - further },
    { name: 'teardown', kind: 'down', ms: run.at + run.ms - replay.at - replay.ms },
  ]
  return phases.filter(({ ms }) => ms >= 0.5)
}

/** Rows of the time chart: preparation, a row per host, a row per scenario file, teardown. */
export function ganttOf(run: RunEvent, groups: readonly Group[]): Row[] {
  const bringUp = bringUpOf(run)
  const bar =
    (kind: Kind) =>
    (part: Timing): Bar => ({
      title: part.title.split(' / ').slice(-1).join(''),
      kind,
      at: bringUp.at + part.atMs,
      ms: part.ms,
    })
  const own = bringUp.parts.filter(({ title }) => title.startsWith('hosts / '))
  const shared = bringUp.parts.filter(({ title }) => !title.startsWith('hosts / '))
  const hosts = [...new Set(own.map(({ title }) => title.split(' / ')[1] ?? ''))].sort()
  const ofHost = (host: string) => own.filter(({ title }) => title.split(' / ')[1] === host)
  const end = run.replay ? run.replay.at + run.replay.ms : bringUp.end
  return [
    { label: 'preparation', bars: shared.map(bar('prepare')) },
    ...hosts.map((host) => ({
      label: host,
      bars: ofHost(host).map((part) => bar(part.title.endsWith('/ boot') ? 'boot' : 'provision')(part)),
    })),
    ...groups.map(({ file, subject, scenarios }) => ({
      label: fileTitle(file) + (subject === '' || subject === ownDriver ? '' : ` on ${subject}`),
      bars: scenarios.map(scenarioBar),
    })),
    {
      label: 'teardown',
      bars: [{ title: 'teardown', kind: 'down' as const, at: end, ms: run.at + run.ms - end }],
    },
  ].filter(({ bars }) => bars.length > 0)
}

/** A row per host with its commands and waits. */
export function hostRows(hosts: readonly string[], scenarios: readonly Scenario[]): Row[] {
  const steps = scenarios.flatMap((scenario) => scenario.steps.map((step) => ({ step, scenario })))
  return hosts
    .map((host) => ({
      label: host,
      bars: steps
        .filter(({ step }) => step.host === host)
        .map(({ step, scenario }): Bar => {
          const kind = step.wait ? 'wait' : step.line === undefined ? 'lookup' : 'act'
          return { title: step.command, kind, at: step.at, ms: step.ms, id: scenario.id }
        }),
    }))
    .filter(({ bars }) => bars.length > 0)
}

function scenarioBar({ id, title, state, at, ms }: Scenario): Bar {
  return { id, title, kind: state === 'failed' ? 'failed' : 'act', at, ms }
}

function bringUpOf({ at, ms, timings, replay }: RunEvent): { at: number; end: number; parts: Timing[] } {
  const end = replay?.at ?? at + ms
  return { at: end - totalOf(timings), end, parts: timings.filter(({ title }) => title !== 'total') }
}

/** How long it took to bring the lab up. */
export function totalOf(timings: readonly Timing[]): number {
  return timings.find(({ title }) => title === 'total')?.ms ?? 0
}

/** Length of the union of the spans: two waits at once count once. */
function lengthOf(spans: readonly { at: number; ms: number }[]): number {
  let length = 0
  let end = Number.NEGATIVE_INFINITY
  for (const { at, ms } of [...spans].sort((a, b) => a.at - b.at)) {
    length += Math.max(0, at + ms - Math.max(at, end))
    end = Math.max(end, at + ms)
  }
  return length
}
