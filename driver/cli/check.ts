/**
 * `multihost check`: what the driver found, as text for people and as an exit code for scripts.
 *
 * 0: Consul, the kernel and Docker agree; 1: they differ; 2: one of them could not be read.
 */
import type { CheckResult } from '../control/check.ts'
import { usualWithinMs } from '../control/client.ts'

/** How long the answer may take: the loops have SECONDS to settle, and as long again after a repair. */
export function checkWithinMs(seconds: string, repair: boolean): number {
  const settlesMs = 1000 * Number(seconds) * (repair ? 2 : 1)
  return usualWithinMs + (Number.isFinite(settlesMs) ? settlesMs : 0)
}

export function showCheck({ host, differences, unknown, repaired }: CheckResult): string {
  const lines = (head: string, items: readonly string[]): string[] =>
    items.length === 0 ? [] : [head, ...items.map((item) => `  - ${item}`)]
  const told = [
    ...lines('repaired in the store:', repaired),
    ...lines('unknown:', unknown),
    ...lines(
      'they differ:',
      differences.map(({ sentence }) => sentence),
    ),
  ]
  if (differences.length > 0 || unknown.length > 0) return told.join('\n')
  return [...told, `Consul, the kernel and Docker agree on ${host}`].join('\n')
}

export function exitCodeOf({ differences, unknown }: Pick<CheckResult, 'differences' | 'unknown'>): number {
  if (unknown.length > 0) return 2
  return differences.length > 0 ? 1 : 0
}
