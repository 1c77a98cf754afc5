/**
 * What a namespace contains after operations, without looking.
 *
 * The datapath loop remembers what it applied, so that a change costs no observation; the fake kernel is this
 * function with a map around it. Linear in entries plus operations.
 */
import type { Observed, Op } from './datapath.ts'

/** `undefined`: there is no namespace. All operations must be of one namespace. */
export function advance(have: Observed | undefined, ops: readonly Op[]): Observed | undefined {
  let state = have === undefined ? undefined : opened(have)
  for (const op of ops) state = step(state, op)
  return state === undefined ? undefined : closed(state)
}

/** The tables as maps, so that a thousand operations on a thousand entries stay cheap. */
interface State {
  marked: boolean
  bridge: boolean
  vxlan: Observed['vxlan']
  ports: Map<string, Observed['ports'][number]>
  fdb: Map<string, Observed['fdb']>
  neighbours: Map<string, Observed['neighbours'][number]>
}

function step(before: State | undefined, op: Op): State | undefined {
  if (op.op === 'namespace-del') return undefined
  const state = before ?? opened({ marked: false, bridge: false, ports: [], fdb: [], neighbours: [] })
  switch (op.op) {
    case 'namespace-add':
      state.marked = true
      break
    case 'bridge-add':
      state.bridge = true
      break
    case 'vxlan-add':
      state.vxlan = { ...op.vxlan, master: op.kind === 'bridge', up: true }
      break
    case 'vxlan-set':
      if (state.vxlan !== undefined) state.vxlan = { ...state.vxlan, ...op.vxlan }
      break
    case 'vxlan-del':
      state.vxlan = undefined
      state.fdb.clear()
      state.neighbours.clear()
      for (const { name, child } of [...state.ports.values()]) if (child) state.ports.delete(name)
      break
    case 'veth-add':
      state.ports.set(op.veth.port, { name: op.veth.port, up: true })
      break
    case 'child-add':
      state.ports.set(op.veth.port, { name: op.veth.port, up: true, child: true })
      break
    case 'veth-del':
    case 'child-del':
      state.ports.delete(op.port)
      break
    case 'fdb-replace':
      state.fdb.set(op.mac, [{ mac: op.mac, vtep: op.vtep, permanent: true }])
      break
    case 'fdb-del':
      state.fdb.set(
        op.mac,
        (state.fdb.get(op.mac) ?? []).filter((it) => it.vtep !== op.vtep),
      )
      break
    case 'neighbour-replace':
      state.neighbours.set(op.ip, { ip: op.ip, mac: op.mac, permanent: true })
      break
    case 'neighbour-del':
      state.neighbours.delete(op.ip)
      break
  }
  return state
}

function opened(have: Observed): State {
  const fdb: State['fdb'] = new Map()
  for (const it of have.fdb) fdb.set(it.mac, [...(fdb.get(it.mac) ?? []), it])
  return {
    marked: have.marked,
    bridge: have.bridge,
    vxlan: have.vxlan,
    ports: new Map(have.ports.map((it) => [it.name, it])),
    fdb,
    neighbours: new Map(have.neighbours.map((it) => [it.ip, it])),
  }
}

function closed({ marked, bridge, vxlan, ports, fdb, neighbours }: State): Observed {
  return {
    marked,
    bridge,
    ...(vxlan === undefined ? {} : { vxlan }),
    ports: [...ports.values()],
    fdb: [...fdb.values()].flat(),
    neighbours: [...neighbours.values()],
  }
}
