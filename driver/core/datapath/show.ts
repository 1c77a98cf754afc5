/**
 * Operations as the `ip` and `bridge` commands they stand for: for logs, errors and tests.
 *
 * For reading, not for running: the parts that all lines share (the namespace, `self permanent`) are omitted.
 * The commands that run are in driver/kernel/lines.ts.
 */
import type { Op } from './datapath.ts'

export function showOp(op: Op): string {
  switch (op.op) {
    case 'namespace-add':
      return `netns add ${op.namespace}`
    case 'namespace-del':
      return `netns del ${op.namespace}`
    case 'bridge-add':
      return 'link add br0 type bridge'
    case 'vxlan-add': {
      const { vni, port, local, mtuBytes } = op.vxlan
      return `link add vxlan1 type vxlan id ${vni} local ${local} dstport ${port} mtu ${mtuBytes}`
    }
    case 'vxlan-set':
      return `link set vxlan1 type vxlan local ${op.vxlan.local} mtu ${op.vxlan.mtuBytes}`
    case 'vxlan-del':
      return 'link del vxlan1'
    case 'veth-add':
      return `link add ${op.veth.port} type veth peer ${op.veth.container} address ${op.veth.mac} mtu ${op.mtuBytes}`
    case 'veth-mtu':
      return `link set ${op.veths.map(({ port }) => port).join(' ')} and their peers mtu ${op.mtuBytes}`
    case 'veth-del':
      return `link del ${op.port}`
    case 'port-set': {
      const flags = op.flags.map(({ flag, usual }) => ` ${flag} ${usual}`)
      return `link set ${op.port} type bridge_slave${flags.join('')}`
    }
    case 'port-forget':
      return `fdb del     ${op.mac} dev ${op.port} master`
    case 'child-add':
      return `link add ${op.veth.container} link vxlan1 type macvlan address ${op.veth.mac} mtu ${op.mtuBytes}`
    case 'child-del':
      return `link del ${op.port} here`
    case 'fdb-replace':
      return `fdb replace ${op.mac} dev vxlan1 dst ${op.vtep}`
    case 'fdb-del':
      return `fdb del     ${op.mac} dev vxlan1 dst ${op.vtep}`
    case 'neighbour-replace':
      return `neigh replace ${op.ip} lladdr ${op.mac} dev vxlan1`
    case 'neighbour-del':
      return `neigh del     ${op.ip} dev vxlan1`
  }
}
