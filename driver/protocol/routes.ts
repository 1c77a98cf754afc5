/**
 * Docker's two plugin interfaces as a table: path, schema, verb, answer.
 *
 * The scope is `local`: the engine has had no cluster store since v23, and networks of scope `global` are
 * handed to Swarm. The IPAM driver needs no replay after a restart, since the store keeps its state.
 * GwAllocCheck answers that every network wants a gateway address, as documentation and people expect in
 * `docker network inspect`.
 */
import type { z } from 'zod'
import { defined } from '../core/defined.ts'
import { addressSpace, type NetworkAsk, type PoolData, type Verbs } from '../verbs/verbs.ts'
import * as schema from './schemas.ts'

export interface Route {
  /** `NetworkDriver.Join`; the path is a slash and this. */
  method: string
  /** The request has no body. */
  bodiless: boolean
  /** Throws a ZodError, or the error of the verb. */
  run(body: unknown, signal: AbortSignal): Promise<object>
}

export function routes(verbs: Verbs): Route[] {
  return [
    bodiless('Plugin.Activate', { Implements: ['NetworkDriver', 'IpamDriver'] }),
    ...networkRoutes(verbs),
    ...endpointRoutes(verbs),
    ...ipamRoutes(verbs),
  ]
}

function networkRoutes(verbs: Verbs): Route[] {
  return [
    bodiless('NetworkDriver.GetCapabilities', {
      Scope: 'local',
      ConnectivityScope: 'global',
      GwAllocChecker: true,
    }),
    route('NetworkDriver.GwAllocCheck', schema.gwAllocCheck, async () => ({
      SkipIPv4: false,
      SkipIPv6: false,
    })),
    route('NetworkDriver.CreateNetwork', schema.createNetwork, async (body, signal) => {
      await verbs.createNetwork(networkAsk(body), signal)
      return {}
    }),
    route('NetworkDriver.DeleteNetwork', schema.networkRef, async ({ NetworkID }, signal) => {
      await verbs.deleteNetwork(NetworkID, signal)
      return {}
    }),
    // Swarm managers call these for drivers of scope global. Ours has scope local: nothing to do.
    route('NetworkDriver.AllocateNetwork', schema.networkRef, async () => ({ Options: {} })),
    route('NetworkDriver.FreeNetwork', schema.networkRef, async () => ({})),
    // Swarm's discovery of nodes. Our hosts come from the store.
    route('NetworkDriver.DiscoverNew', schema.discovery, async () => ({})),
    route('NetworkDriver.DiscoverDelete', schema.discovery, async () => ({})),
  ]
}

function endpointRoutes(verbs: Verbs): Route[] {
  return [
    route('NetworkDriver.CreateEndpoint', schema.createEndpoint, async (body, signal) => {
      const { Address, AddressIPv6, MacAddress } = body.Interface ?? {}
      const { interfaceName } = body.Options
      const wanted = defined({ v4: Address, v6: AddressIPv6, mac: MacAddress, interfaceName })
      const ask = { ...refOf(body), ...wanted }
      const mac = await verbs.createEndpoint(ask, signal)
      // A field that the request contains must not be answered: the engine takes it for a change.
      return MacAddress === undefined ? { Interface: { MacAddress: mac } } : {}
    }),
    route('NetworkDriver.DeleteEndpoint', schema.endpointRef, async (body, signal) => {
      await verbs.deleteEndpoint(refOf(body), signal)
      return {}
    }),
    route('NetworkDriver.EndpointOperInfo', schema.endpointRef, async () => ({ Value: {} })),
    route('NetworkDriver.Join', schema.endpointRef, async (body, signal) => {
      const { device, internal, interfaceName } = await verbs.join(refOf(body), signal)
      // Engines before 29.8 do not read DstName (moby#52866), and choose a name by the prefix.
      const InterfaceName = { SrcName: device, DstPrefix: 'eth', ...defined({ DstName: interfaceName }) }
      // Without a Gateway the engine adds docker_gwbridge, for NAT and -p.
      return internal ? { InterfaceName, DisableGatewayService: true } : { InterfaceName }
    }),
    route('NetworkDriver.Leave', schema.endpointRef, async (body, signal) => {
      await verbs.leave(refOf(body), signal)
      return {}
    }),
    // docker_gwbridge publishes the ports.
    route('NetworkDriver.ProgramExternalConnectivity', schema.endpointRef, async () => ({})),
    route('NetworkDriver.RevokeExternalConnectivity', schema.endpointRef, async () => ({})),
  ]
}

function ipamRoutes(verbs: Verbs): Route[] {
  return [
    bodiless('IpamDriver.GetCapabilities', { RequiresMACAddress: false, RequiresRequestReplay: false }),
    bodiless('IpamDriver.GetDefaultAddressSpaces', {
      LocalDefaultAddressSpace: addressSpace,
      GlobalDefaultAddressSpace: addressSpace,
    }),
    route('IpamDriver.RequestPool', schema.requestPool, async ({ Pool, SubPool, Options, V6 }, signal) => {
      const ask = { options: Options, v6: V6, ...defined({ pool: Pool, range: SubPool }) }
      const pool = await verbs.requestPool(ask, signal)
      return { PoolID: pool, Pool: pool, Data: {} }
    }),
    route('IpamDriver.ReleasePool', schema.releasePool, async ({ PoolID }, signal) => {
      await verbs.releasePool(PoolID, signal)
      return {}
    }),
    route(
      'IpamDriver.RequestAddress',
      schema.requestAddress,
      async ({ PoolID, Address, Options }, signal) => {
        const ask = { pool: PoolID, gateway: Options.isGateway, ...defined({ address: Address }) }
        return { Address: await verbs.requestAddress(ask, signal), Data: {} }
      },
    ),
    route('IpamDriver.ReleaseAddress', schema.releaseAddress, async ({ PoolID, Address }, signal) => {
      await verbs.releaseAddress({ pool: PoolID, address: Address }, signal)
      return {}
    }),
  ]
}

function route<S extends z.ZodType>(
  method: string,
  body: S,
  answer: (body: z.output<S>, signal: AbortSignal) => Promise<object>,
): Route {
  return { method, bodiless: false, run: async (json, signal) => answer(body.parse(json), signal) }
}

function bodiless(method: string, answer: object): Route {
  return { method, bodiless: true, run: async () => answer }
}

function networkAsk(body: z.output<typeof schema.createNetwork>): NetworkAsk {
  return {
    localId: body.NetworkID,
    v4: body.IPv4Data.map(poolData),
    v6: body.IPv6Data.map(poolData),
    options: body.Options.generic,
    internal: body.Options.internal,
  }
}

function poolData(data: z.output<typeof schema.createNetwork>['IPv4Data'][number]): PoolData {
  return {
    addressSpace: data.AddressSpace,
    pool: data.Pool,
    aux: data.AuxAddresses,
    ...defined({ gateway: data.Gateway }),
  }
}

function refOf(body: { NetworkID: string; EndpointID: string }) {
  return { network: body.NetworkID, endpoint: body.EndpointID }
}
