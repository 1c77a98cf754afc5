/**
 * Whether a driver that runs on grows: its memory, its open files, its log.
 */
import { expect } from 'vitest'
import type { Host } from '../kit/host.ts'
import { trendOf } from './trend.ts'

export interface Sample {
  memoryBytes: number
  openFiles: number
  /** Of the driver, since the host's start. */
  logBytes: number
}

/** After the first fifth, which fills caches and the heap, a trend needs so many samples. */
const needed = 60

export async function sampleOf(host: Host): Promise<Sample> {
  const text =
    await host.waitUntilSucceeds`curl -sf --unix-socket /run/multihost/control.sock http://localhost/metrics`
  const metric = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
  const logBytes = Number(await host.succeed`journalctl -u multihost -o cat --no-pager | wc -c`)
  return {
    memoryBytes: metric('process_resident_memory_bytes'),
    openFiles: metric('process_open_fds'),
    logBytes,
  }
}

/** True when `judge` decides about growth with so many samples. */
export function judgesGrowth(samples: number): boolean {
  return samples - warmUpOf(samples) >= needed
}

/** Prints the figures. Memory and open files must not grow, unless there are too few samples to tell. */
export function judge(title: string, samples: readonly Sample[]): void {
  const warm = samples.slice(warmUpOf(samples.length))
  const memory = trendOf(warm.map(({ memoryBytes }) => memoryBytes / 2 ** 20))
  const files = trendOf(warm.map(({ openFiles }) => openFiles))
  const [first, last] = [samples[0]?.logBytes ?? 0, samples.at(-1)?.logBytes ?? 0]
  const shown = ({ median, growth }: typeof memory) =>
    `median ${median.toFixed(1)}, growth ${growth.toFixed(1)}`
  const isJudged = judgesGrowth(samples.length)
  const verdict = isJudged ? '' : '; too few samples to judge growth'
  console.log(
    `${title}: ${samples.length} samples; MiB ${shown(memory)}; open files ${shown(files)}; log ${last - first} bytes${verdict}`,
  )
  for (const { median } of [memory, files]) expect(median).toBeGreaterThan(0)
  if (!isJudged) return
  expect(memory.growth, 'memory grows').toBeLessThan(0.1 * memory.median)
  expect(files.growth, 'open files grow').toBeLessThan(2)
}

function warmUpOf(samples: number): number {
  return Math.floor(samples / 5)
}
