/**
 * The known content of a namespace: the observed content, and the operations applied since.
 *
 * The datapath loop remembers it, so that a change does not need to read the kernel. The fake kernel is
 * `advance` with a map around it. Tables are persistent maps by MAC and by address: operations cost their own
 * number, however large the tables are.
 */
import { Map as PersistentMap } from 'immutable'
import type { AlteredFlag, Observed, Op } from './datapath.ts'

export interface Contents {
  marked: boolean
  bridge: boolean
  snoops?: boolean
  vxlan: Observed['vxlan']
  ports: PersistentMap<string, Observed['ports'][number]>
  /** Few: entries that a person has made. */
  strays: Observed['strays']
  /** By MAC; a MAC may have entries with several VTEPs. */
  fdb: PersistentMap<string, Observed['fdb']>
  neighbours: PersistentMap<string, Observed['neighbours'][number]>
}

export function contentsOf({ ports, fdb, neighbours, ...device }: Observed): Contents {
  return {
    ...device,
    vxlan: device.vxlan,
    ports: PersistentMap(ports.map((it) => [it.name, it])),
    fdb: nothing.fdb.withMutations((table) => {
      for (const it of fdb) table.update(it.mac, [], (others) => [...others, it])
    }),
    neighbours: PersistentMap(neighbours.map((it) => [it.ip, it])),
  }
}

/** The content in observed form; of the tables only the entries at `places`, if given. */
export function observedAt(
  { vxlan, ports, fdb, neighbours, ...device }: Contents,
  places?: ReadonlySet<string>,
): Observed {
  const at = <T>(table: PersistentMap<string, T>): T[] =>
    places === undefined
      ? [...table.values()]
      : [...places].map((place) => table.get(place)).filter((it) => it !== undefined)
  return {
    ...device,
    ...(vxlan === undefined ? {} : { vxlan }),
    ports: [...ports.values()],
    fdb: at(fdb).flat(),
    neighbours: at(neighbours),
  }
}

/** The content after operations of one namespace. `undefined`: the namespace does not exist. */
export function advance(have: Contents | undefined, ops: readonly Op[]): Contents | undefined {
  return ops.reduce(step, have)
}

const nothing: Contents = {
  marked: false,
  bridge: false,
  vxlan: undefined,
  ports: PersistentMap(),
  strays: [],
  fdb: PersistentMap(),
  neighbours: PersistentMap(),
}

function step(before: Contents | undefined, op: Op): Contents | undefined {
  const have = before ?? nothing
  const { ports, strays, fdb, neighbours } = have
  switch (op.op) {
    case 'namespace-add':
      return { ...have, marked: true }
    case 'namespace-del':
      return undefined
    case 'bridge-add':
      return { ...have, bridge: true, snoops: false }
    case 'vxlan-add':
      return { ...have, vxlan: { ...have.vxlan, ...op.vxlan, master: op.kind === 'bridge', up: true } }
    case 'vxlan-set':
      return have.vxlan === undefined ? have : { ...have, vxlan: { ...have.vxlan, ...op.vxlan } }
    case 'vxlan-del':
      return {
        ...have,
        vxlan: undefined,
        ports: ports.filter(({ child }) => !child),
        strays: strays.filter(({ port }) => port !== 'vxlan1'),
        fdb: nothing.fdb,
        neighbours: nothing.neighbours,
      }
    case 'veth-add':
      return withVeth(have, op)
    case 'port-set':
      return withUsual(have, op)
    case 'veth-mtu': {
      const names = new Set(op.veths.map(({ port }) => port))
      return {
        ...have,
        ports: ports.map((it) => (names.has(it.name) ? { ...it, mtuBytes: op.mtuBytes } : it)),
      }
    }
    case 'port-forget':
      return withoutMac(have, op)
    case 'child-add':
      return { ...have, ports: ports.set(op.veth.port, { name: op.veth.port, up: true, child: true }) }
    case 'veth-del':
    case 'child-del':
      return { ...have, ports: ports.delete(op.port), strays: strays.filter(({ port }) => port !== op.port) }
    case 'fdb-replace':
      return { ...have, fdb: fdb.set(op.mac, [{ mac: op.mac, vtep: op.vtep, permanent: true }]) }
    case 'fdb-del': {
      const others = fdb.get(op.mac, []).filter(({ vtep }) => vtep !== op.vtep)
      return { ...have, fdb: others.length === 0 ? fdb.delete(op.mac) : fdb.set(op.mac, others) }
    }
    case 'neighbour-replace':
      return { ...have, neighbours: neighbours.set(op.ip, { ip: op.ip, mac: op.mac, permanent: true }) }
    case 'neighbour-del':
      return { ...have, neighbours: neighbours.delete(op.ip) }
  }
}

/** br0 has one entry of a MAC: that of the port replaces any other. */
function withVeth(have: Contents, { veth, mtuBytes }: Extract<Op, { op: 'veth-add' }>): Contents {
  const { port: name, mac } = veth
  const { altered } = have.ports.get(name) ?? {}
  const port = { name, up: true, macs: [mac], mtuBytes, ...(altered && { altered }) }
  return {
    ...have,
    ports: have.ports.set(name, port),
    strays: have.strays.filter((stray) => stray.mac !== mac),
  }
}

function withUsual(have: Contents, { port, flags }: Extract<Op, { op: 'port-set' }>): Contents {
  const set = new Set(flags.map(({ flag }) => flag))
  const usual = <T extends { altered?: AlteredFlag[] }>({ altered = [], ...it }: T) => ({
    ...it,
    altered: altered.filter(({ flag }) => !set.has(flag)),
  })
  if (port === 'vxlan1') return { ...have, vxlan: have.vxlan && usual(have.vxlan) }
  const found = have.ports.get(port)
  return found === undefined ? have : { ...have, ports: have.ports.set(port, usual(found)) }
}

function withoutMac(have: Contents, { port, mac }: Extract<Op, { op: 'port-forget' }>): Contents {
  const strays = have.strays.filter((stray) => stray.port !== port || stray.mac !== mac)
  const found = have.ports.get(port)
  if (found?.macs === undefined) return { ...have, strays }
  const macs = found.macs.filter((it) => it !== mac)
  return { ...have, strays, ports: have.ports.set(port, { ...found, macs }) }
}
