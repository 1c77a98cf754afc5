/**
 * The plan of a soak, drawn from a seed. The same seed and size give the same plan, so that a failed run can
 * be replayed.
 *
 * A plan has rounds. In a round every host does its steps in order, all hosts at once. Between two rounds the
 * hosts are idle and are checked. The driver of the first host is never restarted: only a process that lives
 * on shows growth.
 */
import { type Random, randomFrom } from './random.ts'

export interface Start {
  step: 'start'
  names: readonly string[]
}
export interface Stop {
  step: 'stop'
  names: readonly string[]
}
/** The containers on the host stop with their engine. */
export interface Restart {
  step: 'restart' | 'kill'
  unit: 'docker' | 'multihost'
}
export type SoakStep = Start | Stop | Restart

/** Steps by host, in the order of the hosts. */
export type Round = readonly (readonly SoakStep[])[]

const hosts = 2
/** Most containers on a host at once, between two rounds. */
const most = 8

export function soakPlan(seed: number, containers: number): Round[] {
  const random = randomFrom(seed)
  const running = Array.from({ length: hosts }, (): string[] => [])
  const rounds: Round[] = []
  for (let made = 0; made < containers; ) {
    const round = running.map((before, host): SoakStep[] => {
      const unit = disturbed(random, host)
      const count = Math.min(containers - made, 1 + random.below(6))
      const born = Array.from({ length: count }, () => `soak-${++made}`)
      const begun: SoakStep[] = [
        ...(unit === undefined ? [] : [unit]),
        ...(born.length === 0 ? [] : [{ step: 'start', names: born } as const]),
      ]
      const names = namesAfter(begun, before)
      const gone = shuffled(random, names).slice(0, Math.max(names.length - most, random.below(names.length)))
      const steps = [...begun, ...(gone.length === 0 ? [] : [{ step: 'stop', names: gone } as const])]
      running[host] = namesAfter(steps, before)
      return steps
    })
    rounds.push(round)
  }
  return [
    ...rounds,
    running.map((names): SoakStep[] => (names.length === 0 ? [] : [{ step: 'stop', names }])),
  ]
}

/** Names of the containers that run on a host after its steps; `before`: those that ran. */
export function namesAfter(steps: readonly SoakStep[], before: readonly string[]): string[] {
  const names = new Set(before)
  for (const step of steps) {
    if (step.step === 'start') for (const name of step.names) names.add(name)
    else if (step.step === 'stop') for (const name of step.names) names.delete(name)
    else if (step.unit === 'docker') names.clear()
  }
  return [...names]
}

function disturbed(random: Random, host: number): Restart | undefined {
  const at = random.below(12)
  if (at === 0) return { step: 'restart', unit: 'docker' }
  if (at === 1) return { step: 'kill', unit: 'docker' }
  if (host === 0 || at > 4) return undefined
  return { step: at === 2 ? 'restart' : 'kill', unit: 'multihost' }
}

function shuffled(random: Random, names: readonly string[]): string[] {
  return names
    .map((name) => ({ name, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ name }) => name)
}
