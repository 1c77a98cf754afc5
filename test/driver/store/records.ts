/**
 * Records for tests of the store, small and valid.
 */
import type { Change, Endpoint, Lease, Network } from '../../../driver/core/model.ts'

export const network = (id: string, more: Partial<Network> = {}): Network => ({
  id,
  vni: 256,
  v4: { cidr: '10.0.0.0/16', gateway: '10.0.255.254', aux: {} },
  port: 4789,
  internal: false,
  options: {},
  labels: {},
  createdBy: 'net-1',
  createdAt: '2025-01-01T00:00:00Z',
  ...more,
})

export const endpoint = (of: string, id: string, more: Partial<Endpoint> = {}): Endpoint => ({
  network: of,
  id,
  v4: '10.0.0.2',
  mac: '02:42:0a:00:00:02',
  host: 'net-1',
  vtep: '192.168.33.11',
  joined: false,
  aliases: [],
  ...more,
})

export const lease = (host = 'net-1'): Lease => ({ host, leasedAt: '2025-01-01T00:00:00Z' })

export const createLease = (key: string, host = 'net-1'): Change => ({
  op: 'create',
  table: 'addresses',
  key,
  value: lease(host),
})

export const createNetwork = (id: string, more: Partial<Network> = {}): Change => ({
  op: 'create',
  table: 'networks',
  key: id,
  value: network(id, more),
})
