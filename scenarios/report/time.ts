/**
 * Where the time of a round went: its phases one after the other, and who did what when.
 */
import type { Timing } from '../../provision/cli/progress.ts'
import type { RunEvent } from '../record/events.ts'
import { fileTitle } from './format.ts'
import type { Group, Scenario } from './model.ts'

export interface Phase {
  name: string
  kind: Kind
  ms: number
}

/** Colours of the page. */
export type Kind = 'prepare' | 'boot' | 'provision' | 'runner' | 'act' | 'wait' | 'down' | 'failed' | 'lookup'

export interface Bar {
  title: string
  kind: Kind
  at: number
  ms: number
  /** Anchor of what it stands for. */
  id?: string
}

export interface Row {
  label: string
  bars: Bar[]
}

/** They add up to the whole. */
export function phasesOf(run: RunEvent, scenarios: readonly Scenario[]): Phase[] {
  const raise = raiseOf(run)
  const inside = (part: Timing) => raise.at + part.atMs
  const boots = raise.parts.filter(({ title }) => title.endsWith('/ boot'))
  const hostsAt = Math.min(raise.end, ...boots.map(inside))
  const booted = Math.max(hostsAt, ...boots.map((part) => inside(part) + part.ms))
  const replay = run.replay ?? { at: raise.end, ms: 0 }
  const waiting = lengthOf(scenarios.flatMap(({ waits }) => waits))
  const acting = lengthOf(scenarios) - waiting
  const phases: Phase[] = [
    { name: 'image, network and driver bundle', kind: 'prepare', ms: hostsAt - run.at },
    { name: 'boot', kind: 'boot', ms: booted - hostsAt },
    { name: 'provisioning', kind: 'provision', ms: replay.at - booted },
    { name: 'scenarios, acting', kind: 'act', ms: acting },
    { name: 'scenarios, waiting', kind: 'wait', ms: waiting },
    { name: 'the runner, and what files set up', kind: 'runner', ms: replay.ms - acting - waiting },
    { name: 'taking down', kind: 'down', ms: run.at + run.ms - replay.at - replay.ms },
  ]
  return phases.filter(({ ms }) => ms >= 0.5)
}

/** A row per host and per file of scenarios, and what comes before and after. */
export function ganttOf(run: RunEvent, groups: readonly Group[]): Row[] {
  const raise = raiseOf(run)
  const bar =
    (kind: Kind) =>
    (part: Timing): Bar => ({
      title: part.title.split(' / ').slice(-1).join(''),
      kind,
      at: raise.at + part.atMs,
      ms: part.ms,
    })
  const [own, shared] = [
    raise.parts.filter(({ title }) => title.startsWith('hosts / ')),
    raise.parts.filter(({ title }) => !title.startsWith('hosts / ')),
  ]
  const hosts = [...new Set(own.map(({ title }) => title.split(' / ')[1] ?? ''))].sort()
  const ofHost = (host: string) => own.filter(({ title }) => title.split(' / ')[1] === host)
  const end = run.replay ? run.replay.at + run.replay.ms : raise.end
  return [
    { label: 'preparing', bars: shared.map(bar('prepare')) },
    ...hosts.map((host) => ({
      label: host,
      bars: ofHost(host).map((part) => bar(part.title.endsWith('/ boot') ? 'boot' : 'provision')(part)),
    })),
    ...groups.map(({ file, driver, scenarios }) => ({
      label: fileTitle(file) + (driver === '' || driver === 'vxlan' ? '' : ` on ${driver}`),
      bars: scenarios.map(scenarioBar),
    })),
    {
      label: 'taking down',
      bars: [{ title: 'taking down', kind: 'down' as const, at: end, ms: run.at + run.ms - end }],
    },
  ].filter(({ bars }) => bars.length > 0)
}

/** A lane per host: what it ran, and below that what was waited for. */
export function lanesOf(hosts: readonly string[], scenarios: readonly Scenario[]): Row[] {
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

export function scenarioBar({ id, title, state, at, ms }: Scenario): Bar {
  return { id, title, kind: state === 'failed' ? 'failed' : 'act', at, ms }
}

function raiseOf({ at, ms, timings, replay }: RunEvent): { at: number; end: number; parts: Timing[] } {
  const total = timings.find(({ title }) => title === 'total')?.ms ?? 0
  const end = replay?.at ?? at + ms
  return { at: end - total, end, parts: timings.filter(({ title }) => title !== 'total') }
}

/** Of their union: two that were waited for at once took that time once. */
function lengthOf(spans: readonly { at: number; ms: number }[]): number {
  let [length, end] = [0, Number.NEGATIVE_INFINITY]
  for (const { at, ms } of [...spans].sort((a, b) => a.at - b.at)) {
    length += Math.max(0, at + ms - Math.max(at, end))
    end = Math.max(end, at + ms)
  }
  return length
}
