/**
 * The filter of tunnel packets: one table of nftables in the host's namespace, `inet multihost`.
 *
 * A change replaces all rules in one transaction and keeps the counters. Every rule has a comment with the
 * checksum of the whole, so that a look tells whether the rules are those that are wanted. The table outlives
 * the driver: a host is as closed while its driver is stopped. `nft` alone: iptables cannot tell a VXLAN
 * network from another.
 */
import { createHash } from 'node:crypto'
import * as z from 'zod'
import { familyOf, isIp } from '../core/ip.ts'
import type { Ip } from '../core/records.ts'
import type { FilterCounts, TunnelFilter } from '../core/tunnels/filter.ts'
import { type FeasiblePath, feasiblePaths } from './feasible-paths.ts'
import { type Run, succeeded } from './run-command.ts'
import type { Outcome } from './shell.ts'

const table = ['inet', 'multihost']
/** `FilterCounts`. */
const counters = ['arriving', 'misrouted', 'leaving']

/**
 * Makes the filter that `wanted` names when it is given what is there, or removes it: `undefined`. Does
 * nothing where all is in place. Throws `kernel`. `prefix`: into the host's namespace.
 */
export async function keepFilter(
  run: Run,
  prefix: readonly string[],
  wanted: (have: TunnelFilter | undefined) => TunnelFilter | undefined,
): Promise<FilterCounts> {
  const nft = (args: string[], input?: string): Promise<Outcome> => run([...prefix, 'nft', ...args], input)
  const listed = await nft(['-j', 'list', 'table', ...table])
  if (listed.code !== 0 && !/No such file or directory/.test(listed.stderr)) succeeded(listed)
  const found = listed.code === 0 ? parsed(listed.stdout) : undefined
  const filter = wanted(found && filterIn(found))
  if (filter === undefined) {
    if (found !== undefined) succeeded(await nft(['delete', 'table', ...table]))
    return { arriving: 0, misrouted: 0, leaving: 0 }
  }
  const families = [
    { protocol: 'ip', vteps: filter.vteps.filter((vtep) => familyOf(vtep) === 4) },
    { protocol: 'ip6', vteps: filter.vteps.filter((vtep) => familyOf(vtep) === 6) },
  ].filter(({ vteps }) => vteps.length > 0)
  const members = families.map(async ({ protocol, vteps }) => {
    return { protocol, vteps, paths: await feasiblePaths(run, prefix, vteps) }
  })
  const rules = rulesOf(filter, await Promise.all(members))
  const mark = `multihost ${createHash('sha256').update(rules.join('\n')).digest('hex').slice(0, 12)}`
  const have = found?.flatMap(({ rule }) => rule ?? []) ?? []
  const isRight = have.length === rules.length && have.every(({ comment }) => comment === mark)
  const strange = strangeChains(found ?? [])
  if (!isRight || !isInForce(found ?? []) || strange.length > 0) await replace(nft, { rules, mark, strange })
  return countsIn(found ?? [])
}

/** Table and chains are as they were made. A dormant table lets all in; another policy may let nothing in. */
function isInForce(listed: readonly Listed[]): boolean {
  if (listed.some(({ table }) => table?.flags !== undefined)) return false
  return Object.entries(chains).every(([name, hook]) => {
    const { hook: at, prio, policy } = listed.find(({ chain }) => chain?.name === name)?.chain ?? {}
    return hook === '' ? at === undefined : hook === `${at} priority ${prio}` && policy === 'accept'
  })
}

/** A person's, or another version's. */
function strangeChains(listed: readonly Listed[]): string[] {
  return listed.flatMap(({ chain }) => (chain === undefined || chain.name in chains ? [] : chain.name))
}

interface Wanted {
  rules: readonly string[]
  mark: string
  /** Chains to remove. */
  strange: readonly string[]
}

async function replace(
  nft: (args: string[], input?: string) => Promise<Outcome>,
  { rules, mark, strange }: Wanted,
): Promise<void> {
  const inPlace = [script(rules, mark), ...strange.map((it) => `delete chain ${table.join(' ')} ${it}\n`)]
  if ((await nft(['-f', '-'], inPlace.join(''))).code === 0) return
  // A table with the same name that is not like ours: it is replaced with its counters.
  const again = (text: string): Promise<Outcome> => {
    const name = table.join(' ')
    return nft(['-f', '-'], `add table ${name}\ndelete table ${name}\n${text}`)
  }
  if ((await again(script(rules, mark))).code === 0) return
  // A kernel that cannot leave a packet untracked.
  const tracked = rules.map((rule) => rule.replace(/ notrack\b/, ''))
  succeeded(await again(script(tracked, mark)))
}

const chains: Record<string, string> = {
  judge: '',
  transit: '',
  arriving: 'prerouting priority -300',
  leaving: 'output priority -300',
}

function script(rules: readonly string[], mark: string): string {
  const name = table.join(' ')
  const hookOf = (hook: string): string =>
    hook === '' ? '' : ` { type filter hook ${hook}; policy accept; }`
  return [
    `add table ${name}`,
    ...counters.map((counter) => `add counter ${name} ${counter}`),
    ...Object.entries(chains).map(([chain, hook]) => `add chain ${name} ${chain}${hookOf(hook)}`),
    // Strange chains, too: then they can be deleted.
    `flush table ${name}`,
    ...rules.map((rule) => `add rule ${name} ${rule} comment "${mark}"`),
    '',
  ].join('\n')
}

/**
 * `judge` has packets that this host takes. A source that is forged on another interface has no way back
 * through that interface (`fib`, as in rp_filter's strict mode, RFC 3704). A host sends to VTEPs alone: a
 * packet to another address of this host, to a broadcast address or to loopback comes from a container or a
 * user of the sender's, to whom NAT or the socket gave the host's address.
 *
 * `transit` has packets to another host that this host forwards: those of a host are let through, and those
 * of a container are not, to which NAT would give this host's address. `leaving` has what this host's users
 * send. The kernel's own tunnel packets have no socket of this namespace, and `skuid` is for such alone (the
 * kernel's nft_meta.c).
 *
 * Connection tracking knows nothing of tunnel packets that are let in, and of those that this host sends
 * (`notrack`, at raw's priority): an entry for each flow inside costs time, and fills the table. Those that
 * pass through stay tracked: NAT may need it.
 */
function rulesOf({ ports, vnis }: TunnelFilter, members: readonly Members[]): string[] {
  const toPort = `udp dport { ${ports.join(', ')} }`
  const ours = `${toPort} @th,96,24 { ${vnis.join(', ')} }`
  return [
    ...headless(toPort),
    ...tooBig(ports, vnis),
    `arriving ${ours} fib daddr type != unicast jump judge`,
    ...members.flatMap((each) => rulesFor(each, ours)),
    'judge counter name arriving drop',
    'transit counter name leaving drop',
  ]
}

/**
 * First fragments without the VNI, which no VTEP sends. The later fragments have no UDP header: they would
 * pass, and the kernel would join them behind the filter. Where connection tracking joins them before the
 * filter, the whole is judged. 120 bytes: an IP header with options, UDP, VXLAN.
 */
function headless(toPort: string): string[] {
  const short = `${toPort} meta length < 120 counter name arriving drop`
  return [`arriving ip frag-off & 0x2000 != 0 ${short}`, `arriving frag more-fragments 1 ${short}`]
}

/**
 * What a router says of a tunnel packet that is too big for its next link (RFC 1191, RFC 8201). It quotes a
 * packet that connection tracking does not know, so it would be `invalid`, which ufw drops before its rules
 * for ICMP. Untracked it reaches those. A quote without the VNI, as of 8 bytes, stays as it is.
 */
function tooBig(ports: readonly number[], vnis: readonly number[]): string[] {
  const quotes = (portBit: number): string =>
    `@th,${portBit},16 { ${ports.join(', ')} } @th,${portBit + 80},24 { ${vnis.join(', ')} } notrack`
  return [
    // The quoted packet begins after 64 bits: IPv4 without options, with UDP; IPv6 with UDP.
    `arriving icmp type 3 icmp code 4 @th,64,8 0x45 @th,136,8 17 ${quotes(240)}`,
    `arriving icmpv6 type 2 @th,112,8 17 ${quotes(400)}`,
  ]
}

/** The VTEPs of one family. */
interface Members {
  protocol: string
  vteps: readonly Ip[]
  paths: readonly FeasiblePath[]
}

function rulesFor({ protocol, vteps, paths }: Members, ours: string): string[] {
  const members = setOf(vteps)
  const otherPaths = paths.flatMap((path) => {
    const devices = setOf(path.devices.map((name) => `"${name}"`))
    const source = `${protocol} saddr ${setOf(path.vteps)} iifname ${devices}`
    return [`judge ${protocol} daddr ${members} ${source} notrack accept`, `transit ${source} accept`]
  })
  const source = `${protocol} saddr ${members} fib saddr . iif oif`
  return [
    `arriving ${ours} ${protocol} daddr ${members} fib daddr type unicast jump transit`,
    ...otherPaths,
    `judge ${protocol} daddr ${members} ${source} != 0 notrack accept`,
    `judge ${source} 0 counter name misrouted drop`,
    `transit ${source} != 0 accept`,
    `leaving ${ours} ${protocol} daddr ${members} meta skuid != 0 counter name leaving drop`,
    `leaving ${ours} ${protocol} daddr ${members} notrack`,
  ]
}

function setOf(values: readonly string[]): string {
  return `{ ${values.join(', ')} }`
}

const Match = z.object({ match: z.object({ left: z.unknown(), right: z.unknown() }).optional() })
const Listed = z.object({
  table: z.object({ flags: z.unknown().optional() }).optional(),
  chain: z
    .object({
      name: z.string(),
      hook: z.string().optional(),
      prio: z.number().optional(),
      policy: z.string().optional(),
    })
    .optional(),
  rule: z
    .object({ chain: z.string(), comment: z.string().default(''), expr: z.array(Match).default([]) })
    .optional(),
  counter: z.object({ name: z.string(), packets: z.number() }).optional(),
})
type Listed = z.infer<typeof Listed>

function parsed(text: string): Listed[] {
  return z.object({ nftables: z.array(Listed) }).parse(JSON.parse(text)).nftables
}

function countsIn(listed: readonly Listed[]): FilterCounts {
  const packets = (name: string): number =>
    listed.find(({ counter }) => counter?.name === name)?.counter?.packets ?? 0
  return {
    arriving: packets('arriving'),
    misrouted: packets('misrouted'),
    leaving: packets('leaving'),
  }
}

/** What the rules let in, as far as they are ours. */
function filterIn(listed: readonly Listed[]): TunnelFilter {
  const matches = listed.flatMap(({ rule }) =>
    ['judge', 'arriving'].includes(rule?.chain ?? '')
      ? (rule?.expr ?? []).flatMap(({ match }) => match ?? [])
      : [],
  )
  const values = (isOf: (left: string) => boolean): (string | number)[] => {
    const found = matches.filter(({ left }) => isOf(JSON.stringify(left)))
    return [...new Set(found.flatMap(({ right }) => valuesIn(right)))]
  }
  return {
    vteps: values((left) => left.includes('"saddr"') && left.includes('payload'))
      .map(String)
      .filter(isIp),
    ports: values((left) => left.includes('"dport"')).map(Number),
    vnis: values((left) => left.includes('"offset":96')).map(Number),
  }
}

/** nft prints a set of one as its value. */
function valuesIn(right: unknown): (string | number)[] {
  const { data } = z
    .union([z.object({ set: z.array(z.union([z.string(), z.number()])) }), z.string(), z.number()])
    .safeParse(right)
  if (data === undefined) return []
  return typeof data === 'object' ? data.set : [data]
}
