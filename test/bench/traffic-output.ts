/**
 * What iperf3, ping and /proc/stat print, as numbers.
 */
import { z } from 'zod'

/** Fractions of a second that /proc/stat counts in (USER_HZ). */
const ticksPerSecond = 100

const tcpReport = z.object({
  end: z.object({ sum_received: z.object({ bytes: z.number(), bits_per_second: z.number() }) }),
})
const udpReport = z.object({
  end: z.object({ sum: z.object({ bits_per_second: z.number(), lost_percent: z.number() }) }),
})

export interface Tcp {
  gigabitsPerSecond: number
  /** CPU time of the whole machine, for a gigabit. */
  cpuMsPerGigabit: number
}

/** iperf3's JSON between two first lines of /proc/stat. */
export function tcpOf(output: string): Tcp {
  const { json, busySeconds } = betweenStats(output)
  const { bytes, bits_per_second } = tcpReport.parse(json).end.sum_received
  return {
    gigabitsPerSecond: bits_per_second / 1e9,
    cpuMsPerGigabit: (busySeconds * 1000) / ((bytes * 8) / 1e9),
  }
}

export function udpOf(output: string): { gigabitsPerSecond: number; lostPercent: number } {
  const { bits_per_second, lost_percent } = udpReport.parse(JSON.parse(output)).end.sum
  // iperf3's `sum` is what was sent
  return { gigabitsPerSecond: (bits_per_second / 1e9) * (1 - lost_percent / 100), lostPercent: lost_percent }
}

export function pingOf(output: string): { averageMs: number; deviationMs: number } {
  const match = /^rtt min\/avg\/max\/mdev = [\d.]+\/([\d.]+)\/[\d.]+\/([\d.]+) ms/m.exec(output)
  if (!match) throw new Error(`ping printed no times: ${output}`)
  return { averageMs: Number(match[1]), deviationMs: Number(match[2]) }
}

function betweenStats(output: string): { json: unknown; busySeconds: number } {
  const lines = output.trim().split('\n')
  const [before, after] = [busyTicks(lines[0] ?? ''), busyTicks(lines.at(-1) ?? '')]
  return {
    json: JSON.parse(lines.slice(1, -1).join('\n')),
    busySeconds: (after - before) / ticksPerSecond,
  }
}

/** user, nice, system, irq and softirq: all but idle, iowait and what is counted twice or stolen. */
function busyTicks(line: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line.split(/\s+/).slice(1).map(Number)
  return user + nice + system + irq + softirq
}
