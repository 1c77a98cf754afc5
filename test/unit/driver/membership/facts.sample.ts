/** A host on which nothing is missing, and a store that takes it. */
import type { HostRecord } from '../../../../driver/core/records.ts'
import type { Facts, HostFacts, StoreFacts } from '../../../../driver/membership/facts.ts'

interface Host {
  name: string
  vtep: string
  mtuBytes?: number
  isUp?: boolean
}

/** Hosts with their records; those that are up hold their keys. */
export function hosts(...all: Host[]): HostFacts {
  const record = ({ vtep, mtuBytes = 1500 }: Host): HostRecord => {
    return { vtep, driverVersion: '0.1.0', tunnel: { mtuBytes, answers: true } }
  }
  return {
    records: new Map(all.map((host) => [host.name, record(host)])),
    liveness: {
      keys: new Map(all.map(({ name, isUp = true }) => [name, isUp ? `session of ${name}` : undefined])),
      announced: new Map(all.map(({ name, vtep }) => [name, vtep])),
      sessions: new Map(),
    },
  }
}

export const store: StoreFacts = {
  url: 'consul://192.168.33.10:8500/multihost',
  leader: { found: '"192.168.33.10:8300"' },
  silent: [],
  others: [],
  clockOffsetMs: 200,
  cluster: { found: '{"id": "c1", "format": 1}' },
  ownCluster: undefined,
  rights: { session: undefined, write: undefined, list: undefined, claim: undefined },
  name: { name: 'net-3', id: undefined, holder: { found: undefined } },
  hosts: { found: hosts({ name: 'net-1', vtep: '192.168.33.11' }) },
}

export const facts: Facts = {
  kernel: {
    namespaces: undefined,
    vxlan: undefined,
    bridge: undefined,
    veth: undefined,
    nf_tables: undefined,
  },
  neighbourLimit: 65_536,
  loadsNoModules: false,
  missingTools: [],
  readOnly: [],
  hasUnit: { found: true },
  outOfReach: [],
  engine: {
    found: {
      version: '26.1.5',
      standIn: undefined,
      firewall: 'iptables',
      inSwarm: false,
      hasUserns: false,
      isRootless: false,
      isLiveRestore: false,
      isForwarding: true,
    },
  },
  docker: { found: { dns: [], dataRoot: undefined, addressPools: ['172.17.0.0/16'] } },
  wanted: { addressPools: ['172.16.0.0/16:24', '198.18.0.0/15:24'], filterIsOn: true },
  underlay: { found: { device: 'eth1', address: '192.168.33.13', mtuBytes: 1500 } },
  vxlanPort: { found: { trial: undefined, devices: [], hasProcess: false } },
  tunnels: undefined,
  store,
}
