/**
 * One network's datapath on this host: what is known of it, and one step towards what the store wants.
 *
 * What was applied is remembered, so that a change costs no look at the kernel, and of the network only the endpoints
 * that changed are planned; an audit looks again, at everything. Additions are done at once, whatever waits for the kernel's grace period (removing links, namespaces) a little later and together.
 *
 * A pair of veths is made once, for the Join that asks for it: when its container ends, the kernel takes both ends,
 * and a new pair would hang in the host's namespace. Such an endpoint is `lost` until Docker says Leave or somebody
 * cleans it up.
 */
import { observedAt } from '../../core/datapath/contents.ts'
import type { Datapath, Observed, Op, Veth } from '../../core/datapath/datapath.ts'
import { desiredFor, endpointsHere } from '../../core/datapath/desired.ts'
import { type Plan, plan } from '../../core/datapath/plan.ts'
import { type Scope, scopeOf } from '../../core/datapath/scope.ts'
import { showOp } from '../../core/datapath/show.ts'
import { DriverError } from '../../core/errors.ts'
import type { EndpointId, HostName, Ip, NetworkId, Snapshot } from '../../core/records.ts'
import type { Kernel, Underlay } from '../../kernel/kernel.ts'
import type { Log } from '../../log.ts'
import { remember } from './known-contents.ts'

export interface NetworkDatapath {
  /** One step; calls `ready` when all that is wanted is there. */
  step(ready: () => void): Promise<void>
  /** The endpoint with this key has changed in the store. */
  changed(key: string): void
  /** The next step looks at the kernel instead of trusting what it remembers. */
  audit(): void
  /** The endpoint's Join is waiting: its veths are to be made if they are not there. */
  expect(endpoint: EndpointId): void
  /** The namespace exists, from an earlier life of the driver. */
  adopt(namespace: string): void
  facts(): NetworkFacts
}

export interface NetworkFacts {
  /** `undefined`: nothing of this network is here. */
  namespace: string | undefined
  /** Operations applied since the start. */
  ops: number
  /** ISO 8601. */
  lastAppliedAt: string | undefined
  /** How long the last step took until it was ready, in milliseconds. */
  lastStepMs: number
  /** Joined endpoints whose veths went with their container. */
  lost: EndpointId[]
}

export interface NetworkOptions {
  network: NetworkId
  host: HostName
  kernel: Kernel
  log: Log
  snapshot(): Snapshot
  underlay(): Underlay
  localNamespaceOf(network: NetworkId): string | undefined
  /** The store's state is a fresh one: what is not in it, is not. */
  mayRemove(): boolean
  /** An endpoint that was not there before was joined just now, and not before the driver started. */
  newIsJoining: boolean
  removalDelayMs: number
  /** Asks for another step. */
  again(afterMs: number): void
  /** How long it took to look at the kernel, and to compare what is there with what is wanted. */
  onAudited(durationMs: number): void
}

export function networkDatapath(options: NetworkOptions): NetworkDatapath {
  const { network, kernel, mayRemove, log } = options
  let namespace: string | undefined
  const memory = remember(kernel)
  /** What the last step has led to; undefined when it failed, or there was none. */
  let reached: Reached | undefined
  const changed = new Set<string>()
  let auditDue = false
  let newIsJoining = options.newIsJoining
  let removeAt: number | undefined
  let lost: EndpointId[] = []
  const known = new Set<EndpointId>()
  const expected = new Set<EndpointId>()
  const facts = { ops: 0, lastAppliedAt: undefined as string | undefined, lastStepMs: 0 }

  const apply = async (ops: readonly Op[]): Promise<void> => {
    if (ops.length === 0) return
    await memory.apply(ops)
    facts.ops += ops.length
    facts.lastAppliedAt = new Date().toISOString()
  }
  const forget = (): void => {
    namespace = undefined
    memory.forget()
    reached = undefined
    lost = []
    known.clear()
  }
  /** True when the time for slow removals has come; otherwise asks for a step when it has. */
  const isDue = (): boolean => {
    const now = performance.now()
    removeAt ??= now + options.removalDelayMs
    if (now < removeAt) {
      options.again(removeAt - now)
      return false
    }
    removeAt = undefined
    return true
  }
  const removeNamespace = async (path: string, reason: string): Promise<void> => {
    await apply([{ op: 'namespace-del', namespace: path }])
    log.info({ network, namespace: path, reason }, 'namespace removed')
    forget()
  }
  const look = async (want: Datapath): Promise<void> => {
    await memory.look(want.namespace, (seen) =>
      want.kind === 'bridge' ? seen : { ...seen, ports: children(seen, want) },
    )
  }
  const isNew = ({ endpoint }: Veth): boolean =>
    expected.has(endpoint) || (newIsJoining && !known.has(endpoint))
  /** Their containers alone can see them: what was there is there while vxlan1 is. An earlier life has made its own. */
  const children = ({ vxlan }: Observed, { veths }: Datapath): Observed['ports'] => {
    if (vxlan === undefined) return []
    const have = memory.contents()
    if (have !== undefined) return [...have.ports.values()]
    return veths
      .filter((veth) => !isNew(veth))
      .map(({ port }) => ({ name: port, up: true, child: true as const }))
  }
  /** The part of `want` that is to be there, without pairs that went with their containers. */
  const withoutLost = (want: Datapath): { target: Datapath; gone: EndpointId[] } => {
    const ports = memory.contents()?.ports
    const isHere = (veth: Veth): boolean => ports?.has(veth.port) || isNew(veth)
    const gone = want.veths.filter((veth) => !isHere(veth)).map((veth) => veth.endpoint)
    return { target: { ...want, veths: want.veths.filter(isHere) }, gone }
  }
  const noteLost = (gone: EndpointId[]): void => {
    const news = gone.filter((endpoint) => !lost.includes(endpoint))
    if (news.length > 0) log.warn({ network, endpoints: news }, 'joined endpoints have no veth any more')
    lost = gone
  }
  /** Endpoints that the last step did not know as they are; undefined: all are to be planned. */
  const scopeNow = (remove: boolean): Scope | undefined => {
    const [snapshot, from, keys] = [options.snapshot(), reached, [...changed]]
    reached = undefined
    changed.clear()
    if (from === undefined || !memory.isSure() || auditDue || (remove && !from.removed)) return undefined
    const same =
      from.snapshot.networks.get(network) === snapshot.networks.get(network) &&
      from.vtep === options.underlay().address &&
      namespace === options.localNamespaceOf(network)
    return same ? scopeOf(from.snapshot, snapshot, keys) : undefined
  }
  const planned = (want: Datapath, remove: boolean, scope?: Scope): Plan & { gone: EndpointId[] } => {
    const { target, gone } = withoutLost(want)
    const have = memory.contents()
    return { ...plan(have && observedAt(have, scope?.places), target, { remove }), gone }
  }
  const converge = async (
    want: Datapath,
    { snapshot, scope, remove, began }: Circumstances,
    ready: () => void,
  ): Promise<void> => {
    const waiting = [...expected]
    const looks = auditDue || !memory.isSure()
    const remembered = auditDue && memory.isSure() ? planned(want, true).ops.length : undefined
    if (looks) await look(want)
    auditDue = false
    const { ops, reasons, gone } = planned(want, remove, scope)
    if (looks) options.onAudited(performance.now() - began)
    const [slow, now] = [ops.filter(isSlow), ops.filter((op) => !isSlow(op))]
    tell(now, reasons, remembered === 0)
    await apply(now)
    noteLost(gone)
    known.clear()
    for (const { endpoint } of want.veths) known.add(endpoint)
    for (const endpoint of waiting) expected.delete(endpoint)
    newIsJoining ||= remove
    reached = { snapshot, vtep: want.vxlan.local, removed: remove }
    ready()
    if (slow.length === 0) removeAt = undefined
    else if (isDue()) {
      tell(slow, reasons, false)
      await apply(slow)
    }
  }
  const tell = (ops: readonly Op[], reasons: readonly string[], mended: boolean): void => {
    if (ops.length === 0) return
    const fields = { network, namespace, reasons: first(reasons), ops: first(ops.map(showOp)) }
    if (mended) log.warn(fields, 'datapath was altered, mended')
    else log.info(fields, 'datapath changed')
  }
  const step = async (ready: () => void): Promise<void> => {
    // Asked before the wish is made: a store that turns fresh while we look at the kernel has not made this wish fresh.
    const [remove, began] = [mayRemove(), performance.now()]
    const [snapshot, scope] = [options.snapshot(), scopeNow(remove)]
    const want = desired(options, scope)
    if (namespace !== undefined && want !== undefined && want.namespace !== namespace && remove) {
      // the device here holds the VNI that the new one needs
      await removeNamespace(namespace, 'the network has another id on this host now')
      return step(ready)
    }
    if (want !== undefined) {
      if (namespace !== want.namespace) memory.doubt()
      namespace = want.namespace
      return converge(want, { snapshot, scope, remove, began }, ready)
    }
    ready()
    known.clear()
    lost = []
    if (namespace !== undefined && remove && isDue()) {
      await removeNamespace(namespace, 'no endpoint is left on this host')
    }
  }

  return {
    async step(ready) {
      const began = performance.now()
      await step(() => {
        facts.lastStepMs = performance.now() - began
        ready()
      })
    },
    changed: (key) => void changed.add(key),
    audit: () => {
      auditDue = true
    },
    expect: (endpoint) => void expected.add(endpoint),
    adopt: (path) => {
      namespace ??= path
    },
    facts: () => ({ namespace, ...facts, lost }),
  }
}

/** Of one step. */
interface Circumstances {
  snapshot: Snapshot
  scope: Scope | undefined
  remove: boolean
  /** By performance.now(). */
  began: number
}

interface Reached {
  snapshot: Snapshot
  vtep: Ip
  /** What is not wanted is not there: removals were not left out. */
  removed: boolean
}

function desired(options: NetworkOptions, scope: Scope | undefined): Datapath | undefined {
  const { network, host } = options
  const snapshot = options.snapshot()
  const namespace = options.localNamespaceOf(network)
  if (namespace === undefined) {
    if (endpointsHere(snapshot, host, network).length === 0) return undefined
    throw new DriverError('unavailable', `network ${network.slice(0, 12)} has no Docker network on ${host}`)
  }
  const { address, mtuBytes } = options.underlay()
  return desiredFor(snapshot, host, network, { vtep: address, mtuBytes, namespace }, scope)
}

/** The kernel waits for all its readers (an RCU grace period, some 20 ms) before a link is gone. */
function isSlow({ op }: Op): boolean {
  return op === 'veth-del' || op === 'child-del'
}

/** A log line names the first few, and how many more there are. */
function first(lines: readonly string[], most = 20): string[] {
  return lines.length <= most ? [...lines] : [...lines.slice(0, most), `and ${lines.length - most} more`]
}
