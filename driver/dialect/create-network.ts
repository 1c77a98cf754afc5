/**
 * `docker network create -d overlay`: a network of the cluster, made by the engine's API with a subnet that the driver
 * has chosen, unless one was named.
 *
 * docker's own rules for what belongs to which subnet (docker/cli, cli/command/network/create.go) come down to the
 * family here, since a network of ours has one subnet of each.
 */
import type { Option } from './command-line.ts'

/** The body of the engine's call; undefined when docker itself should do it. */
export function createBody(
  name: string,
  options: readonly Option[],
  chosen: string | undefined,
): object | undefined {
  if (options.some(({ name, value }) => !known.has(name) || (name === 'ipv4' && value === 'false')))
    return undefined
  const values = (...names: string[]): string[] =>
    options.filter((it) => names.includes(it.name)).map(({ value = '' }) => value)
  const is = (flag: string): boolean => options.some(({ name, value }) => name === flag && value !== 'false')
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
      Config: configs([...(chosen === undefined ? [] : [chosen]), ...values('subnet')], {
        IPRange: values('ip-range'),
        Gateway: values('gateway'),
        aux: pairs(values('aux-address')),
      }),
    },
  }
}

const known = new Set([
  ...[
    'attachable',
    'internal',
    'ipv4',
    'ipv6',
    'label',
    'opt',
    'o',
    'driver',
    'd',
    'ipam-driver',
    'ipam-opt',
  ],
  ...['subnet', 'ip-range', 'gateway', 'aux-address'],
])

/** `a=b` each; without a value it is empty. */
function pairs(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=')
      return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)]
    }),
  )
}

interface More {
  IPRange: string[]
  Gateway: string[]
  aux: Record<string, string>
}

function configs(subnets: readonly string[], { IPRange, Gateway, aux }: More): object[] {
  return subnets.map((subnet) => {
    const ofFamily = (text: string): boolean => text.includes(':') === subnet.includes(':')
    const [range] = IPRange.filter(ofFamily)
    const [gateway] = Gateway.filter(ofFamily)
    const AuxiliaryAddresses = Object.fromEntries(Object.entries(aux).filter(([, ip]) => ofFamily(ip)))
    return {
      Subnet: subnet,
      ...(range === undefined ? {} : { IPRange: range }),
      ...(gateway === undefined ? {} : { Gateway: gateway }),
      ...(Object.keys(AuxiliaryAddresses).length === 0 ? {} : { AuxiliaryAddresses }),
    }
  })
}
