/**
 * A store's reading side, changed by the test: what the datapath loop sees of Consul.
 */
import type { Endpoint, Network, NetworkId, Snapshot, Table } from '../../../../driver/core/records.ts'
import {
  type AnyDelta,
  applyDeltas,
  emptySnapshot,
  keyIn,
  replicasOn,
} from '../../../../driver/core/snapshot.ts'
import type { ChangedKey, Store, StoreStatus } from '../../../../driver/store/store.ts'

export interface Source extends Pick<Store, 'snapshot' | 'onChange' | 'onFresh' | 'status'> {
  network(value: Network): void
  endpoint(...values: Endpoint[]): void
  remove(table: Table, ...keys: string[]): void
  /** This host's Docker id → the cluster's. */
  map(host: string, networks: Record<string, NetworkId>): void
  /** The watch has delivered, or lost its connection. */
  fresh(now: boolean): void
}

export function source({ fresh = true } = {}): Source {
  let snapshot: Snapshot = emptySnapshot()
  let isFresh = fresh
  const listeners = new Set<(snapshot: Snapshot, keys: readonly ChangedKey[]) => void>()
  const freshListeners = new Set<() => void>()
  const change = (deltas: AnyDelta[]): void => {
    snapshot = applyDeltas(snapshot, deltas)
    for (const listener of listeners) listener(snapshot, deltas)
  }
  return {
    snapshot: () => snapshot,
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    onFresh(listener) {
      freshListeners.add(listener)
      return () => void freshListeners.delete(listener)
    },
    status: (): StoreStatus => ({
      url: 'test://',
      fresh: isFresh,
      ageMs: 0,
      index: 1,
      lastError: undefined,
      corrupt: [],
    }),
    network: (value) => change([{ table: 'networks', key: value.id, record: { value, index: 1 } }]),
    endpoint: (...values) =>
      change(
        values.map((value) => ({
          table: 'endpoints',
          key: `${value.network}/${value.id}`,
          record: { value, index: 1 },
        })),
      ),
    remove: (table, ...keys) => change(keys.map((key) => ({ table, key, record: undefined }) as AnyDelta)),
    map(host, networks) {
      const before = [...replicasOn(snapshot, host).keys()].filter((local) => networks[local] === undefined)
      const gone = before.map((local): AnyDelta => {
        return { table: 'replicas', key: keyIn(host, local), record: undefined }
      })
      const placed = Object.entries(networks).map(([local, value]): AnyDelta => {
        return { table: 'replicas', key: keyIn(host, local), record: { value, index: 1 } }
      })
      const value = { vtep: `192.168.33.1${host.at(-1)}`, driverVersion: '0' }
      change([{ table: 'hosts', key: host, record: { value, index: 1 } }, ...gone, ...placed])
    },
    fresh(now) {
      const became = now && !isFresh
      isFresh = now
      if (became) for (const listener of freshListeners) listener()
    },
  }
}
