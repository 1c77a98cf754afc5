/**
 * The fields of dockerd's answers that the loops read. Go writes `null` for empty maps and lists; older
 * engines leave fields out. Source: moby v28.5.2 api/types, compared with v20.10.24.
 */
import * as z from 'zod'
import { defined } from '../core/defined.ts'
import { canonicalCidr, canonicalIp, isCidr, isIp } from '../core/ip.ts'
import type { Cidr } from '../core/records.ts'
import type {
  Attached,
  Attachment,
  ConfiguredContainer,
  Connection,
  EngineContainer,
  EngineEvent,
  EngineNetwork,
  StoppedContainer,
} from './engine.ts'
import { disablesIpv6 } from './ipv6-sysctls.ts'

const texts = z
  .record(z.string(), z.string())
  .nullish()
  .transform((map) => map ?? {})
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '')

const ipamConfig = z.object({ Subnet: text, IPRange: text, Gateway: text, AuxiliaryAddresses: texts })

export const networkSchema = z.object({
  Id: z.string(),
  Name: z.string(),
  Driver: z.string(),
  Internal: z.boolean().default(false),
  Attachable: z.boolean().default(false),
  Options: texts,
  Labels: texts,
  IPAM: z.object({ Driver: text, Options: texts, Config: z.array(ipamConfig).nullish() }),
  Containers: z
    .record(
      z.string(),
      z.object({ EndpointID: text, Name: text, MacAddress: text, IPv4Address: text, IPv6Address: text }),
    )
    .nullish(),
})
export const networkList = z.array(networkSchema)

export const containerList = z.array(z.object({ Id: z.string(), State: text }))
const configuredNetwork = z.object({
  NetworkID: text,
  EndpointID: text,
  IPAMConfig: z.object({ IPv4Address: text, IPv6Address: text }).nullish(),
})
const configuredSchema = z.object({
  Names: z.array(z.string()).nullish(),
  State: text,
  NetworkSettings: z
    .object({ Networks: z.record(z.string(), configuredNetwork.nullable()).nullish() })
    .nullish(),
})
export const configuredList = z.array(configuredSchema)
export const stoppedList = z.array(
  z.object({
    Id: z.string(),
    HostConfig: z.object({ NetworkMode: text }).nullish(),
    NetworkSettings: z.object({ Networks: z.record(z.string(), z.unknown()).nullish() }).nullish(),
  }),
)
const list = z
  .array(z.string())
  .nullish()
  .transform((value) => value ?? [])
const connectionSchema = z.object({
  NetworkID: text,
  IPAMConfig: z.object({ IPv4Address: text, IPv6Address: text, LinkLocalIPs: list }).nullish(),
  Aliases: list,
  Links: list,
  DriverOpts: texts,
  GwPriority: z.number().nullish(),
})
export const stoppedSchema = z.object({
  Id: z.string(),
  Name: z.string(),
  State: z.object({ Error: text, StartedAt: text, Running: z.boolean().default(false) }),
  Config: z.object({ MacAddress: text }).nullish(),
  HostConfig: z.object({ NetworkMode: text, RestartPolicy: z.object({ Name: text }).nullish() }),
  NetworkSettings: z
    .object({ Networks: z.record(z.string(), connectionSchema.nullable()).nullish() })
    .nullish(),
})
export const containerSchema = z.object({
  Id: z.string(),
  Name: z.string(),
  State: z.object({ Running: z.boolean() }),
  HostsPath: text,
  ResolvConfPath: text,
  Config: z.object({ Hostname: text }),
  HostConfig: z.object({ Dns: z.array(z.string()).nullish(), Sysctls: texts }),
  Mounts: z.array(z.object({ Source: text, Destination: text })).nullish(),
  NetworkSettings: z.object({
    Networks: z
      .record(
        z.string(),
        z.object({
          NetworkID: text,
          EndpointID: text,
          IPAddress: text,
          MacAddress: text,
          Aliases: z.array(z.string()).nullish(),
          Links: list,
          DriverOpts: texts,
          /** From engine 25 on; null on the default bridge. */
          DNSNames: z.array(z.string()).nullish(),
          Gateway: text,
          IPv6Gateway: text,
          GwPriority: z.number().nullish(),
        }),
      )
      .nullish(),
  }),
})

export const eventSchema = z.object({
  Type: z.string(),
  Action: z.string(),
  Actor: z.object({ ID: z.string(), Attributes: texts }),
})

export const createdSchema = z.object({ Id: z.string() })
export const versionSchema = z.object({ Version: z.string() })
export const infoSchema = z.object({
  DefaultAddressPools: z.array(z.object({ Base: text })).nullish(),
  DockerRootDir: text,
})

export function poolsOf({ DefaultAddressPools }: z.output<typeof infoSchema>): Cidr[] {
  return (DefaultAddressPools ?? []).flatMap(({ Base }) => (isCidr(Base) ? canonicalCidr(Base) : []))
}

export const containersFolderOf = ({ DockerRootDir }: z.output<typeof infoSchema>): string =>
  `${DockerRootDir}/containers`

export function networkOf(it: z.output<typeof networkSchema>): EngineNetwork {
  return {
    id: it.Id,
    name: it.Name,
    driver: it.Driver,
    internal: it.Internal,
    attachable: it.Attachable,
    options: it.Options,
    ipamDriver: it.IPAM.Driver,
    ipamOptions: it.IPAM.Options,
    labels: it.Labels,
    pools: (it.IPAM.Config ?? []).map((pool) =>
      defined({
        subnet: pool.Subnet,
        aux: pool.AuxiliaryAddresses,
        range: pool.IPRange || undefined,
        gateway: pool.Gateway || undefined,
      }),
    ),
    endpoints: Object.entries(it.Containers ?? {}).map(([container, at]) =>
      defined({
        id: at.EndpointID,
        container,
        name: at.Name,
        mac: at.MacAddress,
        v4: withoutLength(at.IPv4Address),
        v6: withoutLength(at.IPv6Address) || undefined,
      }),
    ),
  }
}

export function containerOf(it: z.output<typeof containerSchema>): EngineContainer {
  const networks = Object.entries(it.NetworkSettings.Networks ?? {})
  return defined({
    id: it.Id,
    name: it.Name.replace(/^\//, ''),
    running: it.State.Running,
    hostname: it.Config.Hostname,
    hostsPath: it.HostsPath || undefined,
    resolvConfPath: it.ResolvConfPath || undefined,
    mounts: (it.Mounts ?? []).map(({ Destination, Source }) => ({
      destination: Destination,
      source: Source,
    })),
    dns: (it.HostConfig.Dns ?? []).map((server) => (isIp(server) ? canonicalIp(server) : server)),
    attachments: networks.map(([name, at]) =>
      defined({
        network: at.NetworkID,
        name,
        endpoint: at.EndpointID,
        v4: at.IPAddress,
        mac: at.MacAddress,
        aliases: configuredAliases(it.Id, at.Aliases),
        links: at.Links.map(linkOf),
        dnsNames: at.DNSNames === undefined ? olderDnsNames(it.Name, name, at.Aliases) : (at.DNSNames ?? []),
        hasGateway: at.Gateway !== '' || at.IPv6Gateway !== '',
        priority: at.GwPriority ?? 0,
        withoutIpv6: disablesIpv6(it.HostConfig.Sysctls, at.DriverOpts, networks.length === 1) || undefined,
      }),
    ),
  })
}

/** `TARGET:ALIAS`, `TARGET`, or `/TARGET:/CLIENT/ALIAS` (moby's opts.ParseLink). */
function linkOf(text: string): Attachment['links'][number] {
  const [target = '', alias = target] = text.split(':')
  if (!target.startsWith('/')) return { target, alias }
  return { target: target.slice(1), alias: alias.split('/').at(-1) ?? '' }
}

export function configuredOf({
  Names,
  NetworkSettings,
}: z.output<typeof configuredSchema>): ConfiguredContainer {
  const networks = Object.entries(NetworkSettings?.Networks ?? {})
  return {
    name: (Names?.[0] ?? '').replace(/^\//, ''),
    networks: networks.map(([name, at]) => ({
      name,
      id: at?.NetworkID ?? '',
      addresses: [at?.IPAMConfig?.IPv4Address ?? '', at?.IPAMConfig?.IPv6Address ?? '']
        .filter(isIp)
        .map(canonicalIp),
    })),
  }
}

export function attachedOf({ Names, NetworkSettings }: z.output<typeof configuredSchema>): Attached[] {
  const name = (Names?.[0] ?? '').replace(/^\//, '')
  return Object.values(NetworkSettings?.Networks ?? {}).flatMap((at) => {
    const { NetworkID: network = '', EndpointID: endpoint = '' } = at ?? {}
    return network === '' || endpoint === '' ? [] : [{ name, network, endpoint }]
  })
}

export function stoppedOf(it: z.output<typeof stoppedSchema>): StoppedContainer {
  const { Id, Name, State, HostConfig, NetworkSettings } = it
  return {
    id: Id,
    name: Name.replace(/^\//, ''),
    error: State.Error,
    hasPolicy: !['', 'no'].includes(HostConfig.RestartPolicy?.Name ?? ''),
    // Go's zero time
    hasRun: State.StartedAt !== '' && !State.StartedAt.startsWith('0001-'),
    mode: HostConfig.NetworkMode,
    networks: Object.entries(NetworkSettings?.Networks ?? {}).map(([name, at]) => ({
      name,
      id: at?.NetworkID ?? '',
      connection: connectionOf(it, name),
    })),
  }
}

function connectionOf(it: z.output<typeof stoppedSchema>, network: string): Connection {
  const at = it.NetworkSettings?.Networks?.[network]
  const { IPv4Address, IPv6Address, LinkLocalIPs = [] } = at?.IPAMConfig ?? {}
  // The engine shows the chosen MAC of the container's first network alone.
  const mac = it.HostConfig.NetworkMode === network ? it.Config?.MacAddress : undefined
  return defined({
    aliases: configuredAliases(it.Id, at?.Aliases),
    links: at?.Links ?? [],
    options: at?.DriverOpts ?? {},
    v4: IPv4Address || undefined,
    v6: IPv6Address || undefined,
    linkLocal: LinkLocalIPs,
    mac: mac || undefined,
    gatewayPriority: at?.GwPriority || undefined,
  })
}

/** Engines before 25 add the container's short id to the aliases that people gave. */
function configuredAliases(container: string, aliases: readonly string[] | null | undefined): string[] {
  return (aliases ?? []).filter((alias) => alias !== container.slice(0, 12))
}

/** Engines before 25 have names on networks that a person made, and do not list them. */
function olderDnsNames(
  container: string,
  network: string,
  aliases: readonly string[] | null | undefined,
): string[] {
  return network === 'bridge' ? [] : [container.replace(/^\//, ''), ...(aliases ?? [])]
}

export function eventOf({ Type, Action, Actor }: z.output<typeof eventSchema>): EngineEvent | undefined {
  if (Type !== 'network' && Type !== 'container') return undefined
  return { type: Type, action: Action, id: Actor.ID, attributes: Actor.Attributes }
}

function withoutLength(address: string): string {
  return address.split('/')[0] ?? ''
}
