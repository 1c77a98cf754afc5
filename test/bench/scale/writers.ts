/**
 * The hosts that make the measured changes, and are not measured themselves.
 */
import type { Change } from '../../../driver/core/records.ts'
import { openConsulStore } from '../../../driver/store/consul/store.ts'
import type { Store } from '../../../driver/store/store.ts'
import { until } from '../../fixtures/until.ts'
import { fill, probeEndpoint, probes, type Shape } from './records.ts'

/** One host for each probe, none of them measured; the first fills the store. */
export async function openWriters(
  { url, prefix }: { url: string; prefix: string },
  shape: Shape,
): Promise<AsyncDisposable & { stores: Store[] }> {
  const open = (probe: number): Promise<Store> => openConsulStore({ url, prefix, host: `writer-${probe}` })
  const filler = await openConsulStore({ url, prefix, host: 'filler', retentionMs: 0 })
  await fill(filler, shape)
  await filler.close()
  const stores = await Promise.all(Array.from({ length: probes }, (_, probe) => open(probe)))
  await until('the writers know the store', () => stores.every((store) => store.status().fresh), 120_000)
  return {
    stores,
    [Symbol.asyncDispose]: async () => void (await Promise.all(stores.map((store) => store.close()))),
  }
}

/** As when a container comes and goes: the endpoint has joined or has not, and its container has another name. */
export async function changeProbe(store: Store | undefined, probe: number, name: string): Promise<void> {
  const { joined, ...value } = probeEndpoint(probe, name, true)
  const key = `${value.network}/${value.id}`
  const had = store?.snapshot().endpoints.get(key)
  if (store === undefined || had === undefined) throw new Error(`there is no probe ${probe}`)
  const update: Change = {
    ...{ op: 'update', table: 'endpoints', key, index: had.index },
    value: { ...value, joined: joined && !had.value.joined },
  }
  await store.commit([update])
}
