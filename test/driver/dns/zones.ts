/** Zones for tests, written as the lines of a hosts file. */
import { type Zone, zoneOf } from '../../../driver/core/names.ts'
import { network } from '../store/records.ts'

export function zone(name: string, lines: string): Zone {
  const records = [...lines.matchAll(/(\S+) (\S+)/g)].flatMap(([, ip = '', short = '']) => [
    { ip, name: short },
    { ip, name: `${short}.${name}` },
  ])
  const v6 = { cidr: 'fd00:21::/64', gateway: 'fd00:21::1', aux: {} }
  const v4 = { cidr: '172.21.0.0/16', gateway: '172.21.255.254', aux: {} }
  const made = zoneOf(network(`id-${name}`, { name, v4, v6 }), records)
  if (made === undefined) throw new Error('a zone has a name')
  return made
}
