/**
 * Docker's requests, in Docker's spelling.
 *
 * Go writes an empty map, list or pointer as `null` or omits it, and older engines have fewer fields: every
 * field that can be absent is optional here, and unknown fields are accepted. Sources: moby v28.5.2,
 * libnetwork/drivers/remote/api and libnetwork/ipams/remote/api.
 */
import * as z from 'zod'

/** Used in the store's keys and in device names. Docker's ids are 64 hex digits. */
const id = z.string().regex(/^[0-9A-Za-z][\w.-]{0,127}$/, 'is not an id')
const text = z.string().max(1024)
const optionalText = text.nullish().transform((value) => (value === null || value === '' ? undefined : value))
const texts = z
  .record(text, text)
  .nullish()
  .transform((map) => map ?? {})
const anything = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((map) => map ?? {})

const ipamData = z.object({
  AddressSpace: text.default(''),
  Pool: text,
  Gateway: optionalText,
  AuxAddresses: texts,
})
const ipamList = z
  .array(ipamData)
  .max(64)
  .nullish()
  .transform((list) => list ?? [])

/** `-o key=value` arrives under one key, `--internal` under another, both in a map of anything. */
const networkOptions = z
  .object({ 'com.docker.network.generic': texts, 'com.docker.network.internal': z.boolean().nullish() })
  .nullish()
  .transform((options) => ({
    generic: options?.['com.docker.network.generic'] ?? {},
    internal: options?.['com.docker.network.internal'] === true,
  }))

export const gwAllocCheck = z.object({ Options: anything })
export const createNetwork = z.object({
  NetworkID: id,
  Options: networkOptions,
  IPv4Data: ipamList,
  IPv6Data: ipamList,
})
export const networkRef = z.object({ NetworkID: id })
export const endpointRef = z.object({ NetworkID: id, EndpointID: id })
/** Of a connection: `--driver-opt`, and `interface_name` of Compose. */
const endpointOptions = z
  .object({ 'com.docker.network.endpoint.ifname': optionalText })
  .nullish()
  .transform((options) => ({ interfaceName: options?.['com.docker.network.endpoint.ifname'] }))
export const createEndpoint = z.object({
  NetworkID: id,
  EndpointID: id,
  Options: endpointOptions,
  Interface: z
    .object({ Address: optionalText, AddressIPv6: optionalText, MacAddress: optionalText })
    .nullish()
    .transform((it) => it ?? undefined),
})
export const discovery = z.object({ DiscoveryType: z.unknown(), DiscoveryData: z.unknown() })

export const requestPool = z.object({
  AddressSpace: optionalText,
  Pool: optionalText,
  SubPool: optionalText,
  Options: texts,
  V6: z.boolean().default(false),
})
export const releasePool = z.object({ PoolID: text })
/** Engines from 29 on name the container in a further option. */
const addressOptions = z
  .object({ RequestAddressType: optionalText })
  .nullish()
  .transform((options) => ({ isGateway: options?.RequestAddressType === 'com.docker.network.gateway' }))
export const requestAddress = z.object({ PoolID: text, Address: optionalText, Options: addressOptions })
export const releaseAddress = z.object({ PoolID: text, Address: text })
