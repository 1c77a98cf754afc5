/**
 * Cut and lossy paths as rules of the lab's switch: one nftables table of the bridge family, replaced as a
 * whole.
 *
 * The bridge family sees every frame, ARP too, so old neighbour entries cannot get around a partition. A host
 * that is slowed stands behind `B-HOST` instead of `HOST` (slow.ts): rules name both. Source: nft(8).
 */
import type { NetworkFault } from '../../faults.ts'

/** Between a slowed host and the switch: its frames go in at `near` and come out at `far`. */
export const nearEnd = (host: string): string => `A-${host}`
export const farEnd = (host: string): string => `B-${host}`

/** Input of `nft -f -`; loading it twice is as good as once. */
export function rulesFor(faults: readonly NetworkFault[]): string {
  const rules = faults.flatMap(ruleOf)
  // Made before it is deleted, so that there is one to delete.
  const without = ['table bridge multihost', 'delete table bridge multihost']
  if (rules.length === 0) return `${without.join('\n')}\n`
  const chain = ['type filter hook forward priority 0; policy accept', ...rules].map((line) => `    ${line}`)
  return [...without, 'table bridge multihost {', '  chain faults {', ...chain, '  }', '}', ''].join('\n')
}

function ruleOf(fault: NetworkFault): string[] {
  if (fault.fault === 'partition') {
    const [a, b] = fault.between.map(portsOf)
    return [`iifname ${a} oifname ${b} drop`, `iifname ${b} oifname ${a} drop`]
  }
  if (fault.fault !== 'lose') return []
  const millionths = Math.max(1, Math.round(fault.percent * 10_000))
  // Not on the way into the delay: what comes out of it is counted.
  const sent = `iifname ${portsOf(fault.host)} oifname != "${nearEnd(fault.host)}"`
  return [`${sent} numgen random mod 1000000 < ${millionths} drop`]
}

function portsOf(host: string): string {
  return `{ "${host}", "${farEnd(host)}" }`
}
