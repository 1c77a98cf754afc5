/**
 * Outputs of the page's commands as data.
 */
import type { Host } from '../../kit/host.ts'
import { asMostEnginesWrite } from './matcher.ts'

export interface NetworkRow {
  id: string
  name: string
  driver: string
}

/** `docker network ls`. */
export function networkTable(output: string): NetworkRow[] {
  return rows(output).map(([id = '', name = '', driver = '']) => ({ id, name, driver }))
}

export interface ServiceRow {
  id: string
  name: string
  network: string
  /** Empty for a service without a container. */
  container: string
}

/** `docker service ls`. */
export function serviceTable(output: string): ServiceRow[] {
  return rows(output).map(([id = '', name = '', network = '', container = '']) => ({
    id,
    name,
    network,
    container,
  }))
}

/** `/etc/hosts` as pairs of address and name. */
export function hostsFile(text: string): [address: string, name: string][] {
  const lines = text.split('\n').filter((line) => !line.startsWith('#'))
  return lines.flatMap((line) => {
    const [address, ...names] = asMostEnginesWrite(line).trim().split(/\s+/)
    return address === undefined ? [] : names.map((name): [string, string] => [address, name])
  })
}

/**
 * The pairs between the driver's marks as `ADDRESS NAME`, sorted. Throws when there is not exactly one pair
 * of marks.
 */
export function drivers(text: string): string[] {
  const [before = '', ours, after, ...more] = text.split(/^# multihost: (?:begin|end)$/m)
  if (ours === undefined || after === undefined || more.length > 0 || before === '')
    throw new Error(`/etc/hosts must have one pair of the driver’s marks:\n${text}`)
  return hostsFile(ours)
    .map((line) => line.join(' '))
    .sort()
}

/** The expected lines for these names: NAME and NAME.NETWORK, sorted. */
export function recordsOf(network: string, names: readonly (readonly [address: string, name: string])[]) {
  return names.flatMap(([address, name]) => [`${address} ${name}`, `${address} ${name}.${network}`]).sort()
}

/** The address that answered a `ping -c 1`; empty without an answer. */
export function replied(output: string): string {
  const address = /bytes from (?:\S+ \()?(\d+\.\d+\.\d+\.\d+)\)?: icmp_seq=1 /.exec(output)?.[1] ?? ''
  return output.includes('1 packets transmitted, 1 received, 0% packet loss') ? address : ''
}

export async function nameOf(host: Host, container: string): Promise<string> {
  return (await host.succeed`docker inspect -f ${'{{.Name}}'} ${container}`).replace('/', '')
}

function rows(output: string): string[][] {
  const lines = output.split('\n').slice(1)
  return lines.filter((line) => line.trim() !== '').map((line) => line.trim().split(/ +/))
}
