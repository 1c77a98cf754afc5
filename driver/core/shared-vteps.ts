/**
 * Hosts with one VTEP. What is sent to one of them reaches the machine that has the address, and two such
 * hosts make no entries for each other (datapath/desired.ts). Vagrant's machines have 10.0.2.15 on eth0, all
 * of them.
 */
import type { HostName, Ip, Snapshot } from './records.ts'

/** VTEPs that several hosts have by their records. One pass: `status` and each metric ask. */
export function sharedVteps({ hosts }: Snapshot): Map<Ip, HostName[]> {
  const holders = new Map<Ip, HostName[]>()
  for (const [name, { value }] of hosts) holders.set(value.vtep, [...(holders.get(value.vtep) ?? []), name])
  return new Map(
    [...holders].filter(([, names]) => names.length > 1).map(([ip, names]) => [ip, names.sort()]),
  )
}

export const sharedVtepHint =
  "if one of the two will not come back, run 'multihost host rm' with its name, else give each host an address of its own (--bind-interface)"
