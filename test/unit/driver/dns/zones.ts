/** Zones for tests, written as the lines of a hosts file. */
import { type Zone, zoneOf } from '../../../../driver/core/names.ts'
import { type AnyDelta, applyDeltas, emptySnapshot } from '../../../../driver/core/snapshot.ts'
import { endpoint, network } from '../../../fixtures/store-records.ts'

export function zone(name: string, lines: string): Zone {
  const id = `id-${name}`
  const v6 = { cidr: 'fd00:21::/64', gateway: 'fd00:21::1', aux: {} }
  const v4 = { cidr: '172.21.0.0/16', gateway: '172.21.255.254', aux: {} }
  const endpoints = [...lines.matchAll(/(\S+) (\S+)/g)].map(([, ip = '', short = ''], n): AnyDelta => {
    const value = endpoint(id, `e${n}`, { v4: ip, joined: true, container: { id: `c${n}`, name: short } })
    return { table: 'endpoints', key: `${id}/e${n}`, record: { value, index: 1 } }
  })
  const made = zoneOf(
    applyDeltas(emptySnapshot(), [
      { table: 'networks', key: id, record: { value: network(id, { name, v4, v6 }), index: 1 } },
      ...endpoints,
    ]),
    id,
  )
  if (made === undefined) throw new Error('a zone has a name')
  return made
}
