import { describe, expect, test } from 'vitest'
import { type SoakStep, soakPlan } from '../../../../scenarios/faults/soak-plan.ts'
import { trendOf } from '../../../../scenarios/faults/trend.ts'

const steps = (seed: number, containers: number): SoakStep[] => soakPlan(seed, containers).flat(2)

describe('a soak', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(soakPlan(7, 200)).toEqual(soakPlan(7, 200))
    expect(soakPlan(7, 200)).not.toEqual(soakPlan(8, 200))
  })

  test('starts each container once, and never leaves more than eight on a host', () => {
    for (const seed of [1, 2, 3]) {
      const running = [new Set<string>(), new Set<string>()]
      const started: string[] = []
      for (const round of soakPlan(seed, 300)) {
        for (const [host, list] of round.entries()) {
          const here = running[host]
          for (const step of list) {
            if (step.step === 'start') for (const name of step.names) here?.add(name)
            if (step.step === 'start') started.push(...step.names)
            if (step.step === 'stop') for (const name of step.names) expect(here?.delete(name)).toBe(true)
            if ('unit' in step && step.unit === 'docker') here?.clear()
          }
          expect(here?.size).toBeLessThanOrEqual(8)
        }
      }
      expect(new Set(started).size).toBe(300)
      expect(running.map(({ size }) => size)).toEqual([0, 0])
    }
  })

  test('disturbs engines of both hosts, and the driver of the second alone', () => {
    const disturbed = soakPlan(1, 1000).flatMap((round) =>
      round.flatMap((list, host) =>
        list.flatMap((step) => ('unit' in step ? [`${step.step} ${step.unit} ${host}`] : [])),
      ),
    )
    expect([...new Set(disturbed)].sort()).toEqual([
      'kill docker 0',
      'kill docker 1',
      'kill multihost 1',
      'restart docker 0',
      'restart docker 1',
      'restart multihost 1',
    ])
    expect(steps(1, 1000).length).toBeGreaterThan(300)
  })
})

describe('a trend', () => {
  test('is the growth along all samples; a peak alone is no growth', () => {
    expect(trendOf([10, 11, 12, 13, 14])).toEqual({ median: 12, growth: 4 })
    expect(trendOf([10, 10, 90, 10, 10, 10])).toEqual({ median: 10, growth: 0 })
    expect(trendOf([14, 12, 13, 11]).growth).toBeLessThan(0)
  })
})
