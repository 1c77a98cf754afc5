/**
 * What connection tracking of the tunnel costs: the overlay's traffic under the filter's rules as the driver
 * makes them, and under the same rules without `notrack`.
 *
 * The driver is stopped meanwhile, since it mends its rules within 0.3 s. The kernel goes on forwarding.
 * Docker's own rules make the kernel track.
 */
import { markdownTable } from '../../driver/cli/table.ts'
import type { Host } from '../../scenarios/kit/host.ts'
import { median } from '../../scenarios/report/statistics.ts'
import { figures } from './figures.ts'
import type { Pair } from './overlays.ts'
import { type Recorder, rounds, type Sample } from './samples.ts'

const ways = ['untracked', 'tracked'] as const
type Way = (typeof ways)[number]

const table = 'inet multihost'

/** `measurePath`: one round of the traffic between two containers of this driver's. */
export async function measureTracking(
  { net1, net2 }: Pair,
  count: number,
  measurePath: (record: Recorder) => Promise<void>,
  record: Recorder,
): Promise<void> {
  const hosts = [net1, net2]
  for (const host of hosts) await host.succeed`systemctl stop multihost`
  try {
    const rules = await Promise.all(hosts.map((host) => host.succeed`nft list table ${table.split(' ')}`))
    const put = (way: Way) =>
      Promise.all(
        hosts.map((host, at) => load(host, way === 'tracked' ? tracked(rules[at] ?? '') : rules[at])),
      )
    await rounds(count, ways, async (way) => {
      await put(way)
      const add: Recorder['add'] = (figure, peer, value) => record.add(`${way}/${figure}`, peer, value)
      await measurePath({ ...record, add })
    })
  } finally {
    for (const host of hosts) await host.succeed`systemctl start multihost`
  }
}

/** The rules without `notrack`, as a kernel that lacks it gets them. */
export function tracked(rules: string): string {
  return rules.replaceAll(/ notrack\b/g, '')
}

async function load(host: Host, rules = ''): Promise<void> {
  await host.succeed`printf %s ${`delete table ${table}\n${rules}`} | nft -f -`
}

/** `tracked ÷ untracked` is of the same round. Undefined where nothing was measured. */
export function trackingTable(samples: readonly Sample[]): string | undefined {
  const valuesOf = (way: Way, id: string): number[] =>
    samples.filter(({ figure }) => figure === `${way}/${id}`).map(({ value }) => value)
  const rows = figures.flatMap(({ id, title, unit, digits = 0 }) => {
    const [without, having] = ways.map((way) => valuesOf(way, id))
    if (!without?.length || !having?.length) return []
    const quotients = having.map((value, round) => value / (without[round] ?? Number.NaN))
    const ratio = quotients.every(Number.isFinite) ? median(quotients).toFixed(2) : '–'
    return [[`${title}, ${unit}`, median(without).toFixed(digits), median(having).toFixed(digits), ratio]]
  })
  return rows.length === 0
    ? undefined
    : markdownTable(['between two containers', 'untracked', 'tracked', '÷ untracked'], rows)
}
