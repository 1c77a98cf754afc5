/**
 * A kernel in memory: operations change plain data and are printed as `ip` would print them.
 *
 * For tests of the loop: they read what was applied (`lines`), change the state as a person would (`damage`),
 * and make operations fail (`refuse`). It passes the same contract suite as the real kernel. A VNI and port
 * exist once per host, as in the kernel.
 */
import { advance, type Contents, contentsOf, observedAt } from '../core/datapath/contents.ts'
import type { Observed, Op } from '../core/datapath/datapath.ts'
import { vxlanDifference } from '../core/datapath/plan.ts'
import { showOp } from '../core/datapath/show.ts'
import { DriverError } from '../core/errors.ts'
import type { Cidr } from '../core/records.ts'
import type { Kernel, Underlay } from './kernel.ts'

export interface FakeKernel extends Kernel {
  /** Everything that was applied, as printed by `show`. */
  lines: string[]
  /** How often each namespace was observed. */
  observations: Map<string, number>
  /** Changes a namespace as a person would. `undefined` removes it. */
  damage(namespace: string, change: (have: Observed) => Observed | undefined): void
  /** Docker moves the container end into its container. */
  take(containerEnd: string): void
  /** Docker puts a macvlan child back into the host's namespace. */
  putBack(namespace: string, child: string): void
  /**
   * The next `times` operations of this kind fail with this message; observations when the kind is `observe`.
   */
  refuse(kind: Op['op'] | 'observe', words: string, times?: number): void
}

export interface FakeKernelOptions {
  routes?: Cidr[]
  interfaces?: Underlay[]
  /** Called before every operation; a test can delay it. */
  before?: (op: Op) => Promise<void>
}

export function fakeKernel({ routes = [], interfaces = [], before }: FakeKernelOptions = {}): FakeKernel {
  const namespaces = new Map<string, Contents>()
  const refusals = new Map<string, { words: string; times: number }>()
  const observations = new Map<string, number>()
  const lines: string[] = []
  /** Port and namespace of each container end that no container has. */
  const loose = new Map<string, { namespace: string; port: string }>()

  const mayRefuse = (kind: string, what: string): void => {
    const refusal = refusals.get(kind)
    if (refusal === undefined || refusal.times === 0) return
    refusal.times -= 1
    throw new DriverError('kernel', `${what}: ${refusal.words}`)
  }
  const applyOne = async (op: Op): Promise<void> => {
    await before?.(op)
    mayRefuse(op.op, showOp(op))
    check(namespaces, op)
    lines.push(showOp(op))
    const have = namespaces.get(op.namespace)
    trackEnds(loose, have, op)
    if (have === undefined && op.op !== 'namespace-add') return
    put(namespaces, op.namespace, advance(have, [op]))
  }

  return {
    lines,
    observations,
    damage(namespace, change) {
      const have = namespaces.get(namespace)
      if (have === undefined) return
      const left = change(structuredClone(observedAt(have)))
      put(namespaces, namespace, left && contentsOf(left))
    },
    take: (containerEnd) => void loose.delete(containerEnd),
    putBack: (namespace, child) => void loose.set(child, { namespace, port: child }),
    refuse: (kind, words, times = 1) => void refusals.set(kind, { words, times }),
    async observe(namespace) {
      observations.set(namespace, (observations.get(namespace) ?? 0) + 1)
      mayRefuse('observe', namespace)
      const have = namespaces.get(namespace)
      return have && structuredClone(observedAt(have))
    },
    namespaces: async () => [...namespaces].filter(([, have]) => have.marked).map(([name]) => name),
    strayLinks: async () => [...loose.keys()],
    async apply(ops) {
      for (const op of ops) await applyOne(op)
    },
    routes: async () => [...routes],
    async underlay(bind) {
      const found = interfaces.find((it) => it.device === bind || it.address === bind)
      if (found !== undefined) return found
      const list = interfaces.map((it) => `${it.device} ${it.address}`).join(', ')
      throw new DriverError('invalid', `no interface is named ${bind} or has an address in it`, {
        hint: `this host has ${list}`,
      })
    },
    close: async () => undefined,
  }
}

/**
 * A container end is created in the host's namespace. It is removed with its other end, or with the device
 * below it.
 */
function trackEnds(
  loose: Map<string, { namespace: string; port: string }>,
  have: Contents | undefined,
  op: Op,
): void {
  const { namespace } = op
  const adds = op.op === 'veth-add' || op.op === 'child-add'
  if (adds && !have?.ports.has(op.veth.port)) {
    loose.set(op.veth.container, { namespace, port: op.veth.port })
  }
  for (const [end, { port, ...its }] of loose) {
    const removed = op.op === 'veth-del' && op.port === port
    const gone = removed || op.op === 'namespace-del' || (op.op === 'vxlan-del' && end === port)
    if (gone && its.namespace === namespace) loose.delete(end)
    if (op.op === 'child-del') loose.delete(op.port)
  }
}

function put(namespaces: Map<string, Contents>, name: string, have: Contents | undefined): void {
  if (have === undefined) namespaces.delete(name)
  else namespaces.set(name, have)
}

/** Throws for what the kernel would refuse. */
function check(namespaces: ReadonlyMap<string, Contents>, op: Op): void {
  const refuse = (words: string): never => {
    throw new DriverError('kernel', `${showOp(op)}: ${words}`)
  }
  const have = namespaces.get(op.namespace)
  const removes = op.op.endsWith('-del')
  if (have === undefined && op.op !== 'namespace-add' && !removes)
    refuse(`namespace ${op.namespace} does not exist`)
  if (/^((fdb|neighbour)-replace|child-add|vxlan-set)$/.test(op.op) && have?.vxlan === undefined)
    refuse('Cannot find device "vxlan1"')
  if (op.op !== 'vxlan-add') return
  if (have?.vxlan !== undefined) {
    const difference = vxlanDifference(have.vxlan, op.vxlan)
    if (difference !== undefined) refuse(`File exists (${difference})`)
  }
  for (const [name, other] of namespaces) {
    const same = other.vxlan?.vni === op.vxlan.vni && other.vxlan.port === op.vxlan.port
    if (same && name !== op.namespace) refuse('A VXLAN device with the specified VNI already exists.')
  }
}
