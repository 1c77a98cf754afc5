/**
 * The driver's own account of its calls, from the metrics on its control socket.
 *
 * A histogram's buckets are too wide for a median; but its sum and count, read before and after a command
 * that makes each call once, give the duration of that very call.
 */
import type { Host } from '../../scenarios/kit/host.ts'

export interface CallTotals {
  count: number
  seconds: number
}

/** Of all outcomes, by method: `NetworkDriver.Join` is `Join`. */
export function callTotals(text: string): Map<string, CallTotals> {
  const totals = new Map<string, CallTotals>()
  const line = /^multihost_call_duration_seconds_(sum|count)\{method="\w+\.(\w+)"[^}]*\} (\S+)$/gm
  for (const [, kind, method = '', value] of text.matchAll(line)) {
    const total = totals.get(method) ?? { count: 0, seconds: 0 }
    if (kind === 'sum') total.seconds += Number(value)
    else total.count += Number(value)
    totals.set(method, total)
  }
  return totals
}

/** Mean duration in milliseconds of the calls in between; methods that were not called are absent. */
export function callsBetween(before: string, after: string): Map<string, number> {
  const [had, has] = [callTotals(before), callTotals(after)]
  const means = new Map<string, number>()
  for (const [method, { count, seconds }] of has) {
    const { count: oldCount, seconds: oldSeconds } = had.get(method) ?? { count: 0, seconds: 0 }
    if (count > oldCount) means.set(method, ((seconds - oldSeconds) / (count - oldCount)) * 1000)
  }
  return means
}

export function residentBytes(text: string): number {
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1] ?? Number.NaN)
}

export function scrape(host: Host): Promise<string> {
  return host.succeed`curl -sf --unix-socket /run/multihost/control.sock http://localhost/metrics`
}
