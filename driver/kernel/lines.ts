/**
 * Operations as the commands that are run: batches for `ip` and `bridge`, each in one namespace. Pure.
 *
 * Consecutive operations for the same tool and namespace share a batch, so that a thousand peers cost two
 * processes. Every operation can be applied twice: a line names the error of the kernel that means "already
 * done". `ip neigh del` ends the whole batch when the entry is absent (iproute2, ipneigh_modify exits), so
 * the entry is created first.
 */
import type { Op, Veth } from '../core/datapath/datapath.ts'
import { DriverError } from '../core/errors.ts'

export type Tool = 'ip' | 'bridge'

export interface Line {
  text: string
  op: Op
  /** An error with these words is a success: the kernel is already in that state. */
  alreadyDone?: RegExp
}

export type Step =
  /**
   * `where` is a namespace's path, or `host`. With `create` the namespace is created when it does not exist.
   */
  | { kind: 'batch'; tool: Tool; where: string; create: boolean; lines: Line[] }
  | { kind: 'remove'; op: Op; namespace: string }
  | { kind: 'mtu'; op: Extract<Op, { op: 'veth-mtu' }>; namespace: string }

/** The alias of the namespace's `lo`. It marks what the driver has made and may remove. */
export const mark = 'multihost'

const exists = /File exists/
/** A device that is not a port of a bridge has no entries there. */
const noPort = /Cannot find device|No such file or directory|No such device|Operation not supported/
const absent = /Cannot find device|No such file or directory|No such device/
/** A container that has stopped takes its port along; the kernel enables one whose carrier comes back. */
const withoutCarrier = /Cannot find device|No such device|Network is down/
/**
 * A device below IPv6's smallest MTU of 1280, or of a machine without IPv6, makes no IPv6 address
 * (net/ipv6/addrconf.c, inet6_validate_link_af).
 */
export const withoutIpv6 = /Address family not supported/

/** `host`: path of the host's network namespace, for the container ends. */
export function stepsFor(ops: readonly Op[], host: string): Step[] {
  const steps: Step[] = []
  const add = (step: Step): void => {
    if (!joined(steps.at(-1), step)) steps.push(step)
  }
  /** Entries of new ports: those of consecutive ports share a batch, after the ports. */
  const entries: Step[] = []
  for (const op of ops) {
    if (op.op !== 'veth-add') entries.splice(0).forEach(add)
    for (const step of stepsOf(op, host)) {
      if (op.op === 'veth-add' && step.kind === 'batch' && step.tool === 'bridge') entries.push(step)
      else add(step)
    }
  }
  entries.forEach(add)
  return steps
}

/** Adds the step's lines to the last batch if both are for the same tool and namespace. */
function joined(last: Step | undefined, step: Step): boolean {
  if (last?.kind !== 'batch' || step.kind !== 'batch' || step.create) return false
  if (last.tool !== step.tool || last.where !== step.where) return false
  last.lines.push(...step.lines)
  return true
}

function stepsOf(op: Op, host: string): Step[] {
  const batch = (tool: Tool, where: string, lines: Omit<Line, 'op'>[], create = false): Step => {
    for (const { text } of lines) checkCharacters(text)
    return { kind: 'batch', tool, where, create, lines: lines.map((line) => ({ ...line, op })) }
  }
  const { namespace } = op
  switch (op.op) {
    case 'namespace-add':
      return [batch('ip', namespace, namespaceLines, true)]
    case 'namespace-del':
      return [{ kind: 'remove', op, namespace }]
    case 'bridge-add':
      return [batch('ip', namespace, bridgeLines)]
    case 'vxlan-add':
      return [
        batch('ip', 'host', [{ text: vxlanLine(op.vxlan, namespace) }]),
        batch('ip', namespace, vxlanUpLines(op)),
      ]
    case 'vxlan-set':
      return [batch('ip', namespace, vxlanSetLines(op.vxlan))]
    case 'vxlan-del':
      return [batch('ip', namespace, [{ text: 'link del vxlan1', alreadyDone: absent }])]
    case 'veth-add':
      return [
        batch('ip', namespace, [
          { text: vethLine(op, host), alreadyDone: exists },
          ...upLines(op.veth.port, 'master br0'),
        ]),
        batch('bridge', namespace, closedPortLines(op.veth)),
      ]
    case 'port-set':
      return [batch('ip', namespace, flagLines(op))]
    case 'port-forget':
      return [
        batch('bridge', namespace, [
          { text: `fdb del ${op.mac} dev ${op.port} master`, alreadyDone: noPort },
        ]),
      ]
    case 'veth-mtu':
      return [{ kind: 'mtu', op, namespace }, batch('ip', namespace, portMtuLines(op))]
    case 'veth-del':
      return [batch('ip', namespace, [{ text: `link del ${op.port}`, alreadyDone: absent }])]
    case 'child-add':
      return [batch('ip', namespace, [{ text: childLine(op, host), alreadyDone: exists }])]
    case 'child-del':
      return [batch('ip', 'host', [{ text: `link del ${op.port}`, alreadyDone: absent }])]
    case 'fdb-replace':
      return [batch('bridge', namespace, [{ text: fdbLine('replace', op) }])]
    case 'fdb-del':
      return [batch('bridge', namespace, fdbDelLines(op))]
    case 'neighbour-replace':
      return [batch('ip', namespace, [{ text: neighbourLine(op.ip, `lladdr ${op.mac} nud permanent`) }])]
    case 'neighbour-del':
      return [batch('ip', namespace, neighbourDelLines(op))]
  }
}

const namespaceLines: Omit<Line, 'op'>[] = [{ text: 'link set lo up' }, { text: `link set lo alias ${mark}` }]

/**
 * Without snooping: neighbour solicitations are multicast, and no host on an overlay sends multicast queries.
 */
const bridgeLines: Omit<Line, 'op'>[] = [
  { text: 'link add name br0 type bridge', alreadyDone: exists },
  { text: 'link set br0 type bridge mcast_snooping 0' },
  noAddressLine('br0'),
  { text: 'link set br0 up' },
]

/**
 * Up with these settings, and without a link-local address: the device only forwards. All is set before `up`,
 * which would create the address.
 */
function upLines(device: string, ...settings: string[]): Omit<Line, 'op'>[] {
  const lines = [...settings, 'up'].map((setting) => ({ text: `link set ${device} ${setting}` }))
  return [noAddressLine(device), ...lines]
}

function noAddressLine(device: string): Omit<Line, 'op'> {
  return { text: `link set ${device} addrgenmode none`, alreadyDone: withoutIpv6 }
}

function vxlanUpLines({ kind }: Extract<Op, { op: 'vxlan-add' }>): Omit<Line, 'op'>[] {
  return upLines('vxlan1', ...(kind === 'bridge' ? ['master br0', 'type bridge_slave learning off'] : []))
}

function flagLines({ port, flags }: Extract<Op, { op: 'port-set' }>): Omit<Line, 'op'>[] {
  return flags.map(({ flag, usual }) => ({
    text: `link set ${port} type bridge_slave ${flag} ${usual}`,
    alreadyDone: withoutCarrier,
  }))
}

function neighbourDelLines({ ip }: Extract<Op, { op: 'neighbour-del' }>): Omit<Line, 'op'>[] {
  return [
    { text: neighbourLine(ip, 'nud failed'), alreadyDone: absent },
    { text: `neigh del ${ip} dev vxlan1`, alreadyDone: absent },
  ]
}

/**
 * br0 learns nothing from frames, so that none can move a MAC. A MAC that br0 does not know is on another
 * host: such a frame goes to vxlan1 alone. The entry comes before the flags, for a port that an earlier
 * driver left open.
 */
function closedPortLines({ port, mac }: Veth): Omit<Line, 'op'>[] {
  return [
    { text: `fdb replace ${mac} dev ${port} master static` },
    { text: `link set dev ${port} learning off flood off` },
  ]
}

/**
 * Run in the host's namespace, created in the network's: the kernel keeps the UDP socket in the namespace of
 * the request (rtnl_newlink, vxlan_newlink), and a crash leaves no half-configured device.
 */
function vxlanLine(vxlan: Extract<Op, { op: 'vxlan-add' }>['vxlan'], namespace: string): string {
  const { vni, port, local, mtuBytes } = vxlan
  return (
    `link add name vxlan1 netns ${namespace} mtu ${mtuBytes} type vxlan id ${vni} local ${local} ` +
    `dstport ${port} nolearning proxy l2miss l3miss`
  )
}

function vethLine({ veth, mtuBytes }: Extract<Op, { op: 'veth-add' }>, host: string): string {
  const { port, container, mac } = veth
  return (
    `link add name ${port} mtu ${mtuBytes} type veth ` +
    `peer name ${container} netns ${host} address ${mac} mtu ${mtuBytes}`
  )
}

function vxlanSetLines({ mtuBytes, local }: Extract<Op, { op: 'vxlan-set' }>['vxlan']): Omit<Line, 'op'>[] {
  return [{ text: `link set vxlan1 mtu ${mtuBytes}` }, { text: `link set vxlan1 type vxlan local ${local}` }]
}

/** Bridge mode: children of one device reach each other directly. */
function childLine({ veth, mtuBytes }: Extract<Op, { op: 'child-add' }>, host: string): string {
  const { container, mac } = veth
  return (
    `link add link vxlan1 name ${container} netns ${host} address ${mac} mtu ${mtuBytes} ` +
    'type macvlan mode bridge'
  )
}

function portMtuLines({ veths, mtuBytes }: Extract<Op, { op: 'veth-mtu' }>): Omit<Line, 'op'>[] {
  return veths.map(({ port }) => ({ text: `link set ${port} mtu ${mtuBytes}`, alreadyDone: absent }))
}

function fdbDelLines(op: Extract<Op, { op: 'fdb-del' }>): Omit<Line, 'op'>[] {
  return [
    { text: fdbLine('del', op), alreadyDone: absent },
    // The entry that br0 has learnt from traffic. With it the MAC would not be found when it comes to this host.
    { text: `fdb del ${op.mac} dev vxlan1 master`, alreadyDone: noPort },
  ]
}

function fdbLine(verb: 'replace' | 'del', { mac, vtep }: { mac: string; vtep: string }): string {
  return `fdb ${verb} ${mac} dev vxlan1 dst ${vtep} self permanent`
}

function neighbourLine(ip: string, rest: string): string {
  return `neigh replace ${ip} ${rest} dev vxlan1`
}

/** A line break in a value would start another command. */
function checkCharacters(text: string): void {
  if (/^[\w ./:-]+$/.test(text)) return
  throw new DriverError(
    'corrupt',
    `${JSON.stringify(text)} has characters that ip and bridge cannot be given`,
  )
}
