/**
 * A small network as one host has it, to be changed by each test where it matters.
 */
import { advance, observedAt } from '../../../../../driver/core/datapath/contents.ts'
import type { Datapath, Observed, Peer, Veth } from '../../../../../driver/core/datapath/datapath.ts'
import { plan } from '../../../../../driver/core/datapath/plan.ts'
import type { Endpoint, Network, Snapshot } from '../../../../../driver/core/records.ts'
import { applyDeltas, emptySnapshot } from '../../../../../driver/core/snapshot.ts'

export function datapath(change: Partial<Datapath> = {}): Datapath {
  return {
    network: id('a'),
    namespace: '/var/run/docker/netns/aaaaaaaaaaaa',
    kind: 'bridge',
    vxlan: { vni: 256, port: 4789, local: '192.168.33.11', mtuBytes: 1450 },
    veths: [],
    peers: [],
    ...change,
  }
}

/** The namespace when this has been made in it. */
export function made(want: Datapath): Observed {
  const contents = advance(undefined, plan(undefined, want).ops)
  if (contents === undefined) throw new Error('nothing was planned')
  return observedAt(contents)
}

export function veth(digit: string): Veth {
  const eight = digit.repeat(8)
  return { endpoint: id(digit), port: `veth${eight}`, container: `vxc${eight}`, mac: '02:42:ac:15:00:63' }
}

/** 172.21.0.2 is `peer(2)`; the MAC is made of the address. */
export function peer(n: number, vtep = '192.168.33.12'): Peer {
  const ip = `172.21.${n >> 8}.${n & 255}`
  return { mac: macOf(ip), vtep, addresses: [ip] }
}

/** 64 digits. */
export function id(digit: string): string {
  return digit.repeat(64 / digit.length)
}

export function network(change: Partial<Network> = {}): Network {
  return {
    id: id('a'),
    vni: 256,
    v4: { cidr: '172.21.0.0/16', gateway: '172.21.255.254', aux: {} },
    port: 4789,
    internal: false,
    options: {},
    labels: {},
    createdBy: 'net-1',
    createdAt: '2026-01-01T00:00:00Z',
    ...change,
  }
}

/** Joined, on net-1 or net-2, with the tunnel end that goes with the host. */
export function endpoint(digit: string, host: string, v4: string, change: Partial<Endpoint> = {}): Endpoint {
  const vtep = `192.168.33.1${host.at(-1)}`
  const base = { network: id('a'), id: id(digit), v4, mac: macOf(v4), host, vtep, joined: true, aliases: [] }
  return { ...base, ...change }
}

export function snapshotOf(networks: Network[], endpoints: Endpoint[], from = emptySnapshot()): Snapshot {
  return applyDeltas(from, [
    ...networks.map((value) => ({ table: 'networks' as const, key: value.id, record: { value, index: 1 } })),
    ...endpoints.map((value) => ({
      table: 'endpoints' as const,
      key: `${value.network}/${value.id}`,
      record: { value, index: 1 },
    })),
  ])
}

function macOf(ip: string): string {
  return `02:42:${ip
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join(':')}`
}
