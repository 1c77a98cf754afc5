/**
 * The body of the engine's call for `docker network create -d overlay`: a network of the cluster, with a
 * subnet that the driver chose unless the user named one.
 *
 * docker assigns ranges, gateways and auxiliary addresses to subnets (docker/cli,
 * cli/command/network/create.go). Here the address family decides, since a network of this driver has at most
 * one subnet of each.
 */
import { defined } from '../core/defined.ts'
import { type Option, optionsNamed } from './parse-command-line.ts'

/** Undefined when docker itself should make the network. */
export function createBody(
  name: string,
  options: readonly Option[],
  chosen: string | undefined,
): object | undefined {
  if (options.some(({ name, value }) => !known.has(name) || (name === 'ipv4' && value === 'false')))
    return undefined
  const values = (...names: string[]): string[] =>
    optionsNamed(options, ...names).map(({ value = '' }) => value)
  const is = (flag: string): boolean => options.some(({ name, value }) => name === flag && value !== 'false')
  const subnets = values('subnet')
  return {
    Name: name,
    CheckDuplicate: true,
    Driver: 'vxlan',
    Attachable: is('attachable'),
    Internal: is('internal'),
    EnableIPv6: is('ipv6'),
    Labels: pairs(values('label')),
    Options: pairs(values('opt', 'o')),
    IPAM: {
      Driver: values('ipam-driver').at(-1) ?? 'vxlan',
      Options: pairs(values('ipam-opt')),
      Config: subnetConfigs(chosen === undefined ? subnets : [chosen, ...subnets], {
        ranges: values('ip-range'),
        gateways: values('gateway'),
        auxiliary: pairs(values('aux-address')),
      }),
    },
  }
}

const known = new Set(
  'attachable internal ipv4 ipv6 label opt o driver d ipam-driver ipam-opt subnet ip-range gateway aux-address'.split(
    ' ',
  ),
)

/** Of words like `a=b`; a word without `=` is a key with an empty value. */
function pairs(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=')
      return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)]
    }),
  )
}

interface Addresses {
  ranges: string[]
  gateways: string[]
  auxiliary: Record<string, string>
}

function subnetConfigs(subnets: readonly string[], { ranges, gateways, auxiliary }: Addresses): object[] {
  return subnets.map((subnet) => {
    const ofFamily = (text: string): boolean => text.includes(':') === subnet.includes(':')
    const aux = Object.entries(auxiliary).filter(([, ip]) => ofFamily(ip))
    return defined({
      Subnet: subnet,
      IPRange: ranges.find(ofFamily),
      Gateway: gateways.find(ofFamily),
      AuxiliaryAddresses: aux.length === 0 ? undefined : Object.fromEntries(aux),
    })
  })
}
