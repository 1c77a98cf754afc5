/** When a network of the cluster can be used by a container on this host. */
import { isCode } from '../core/errors.ts'
import type { HostName } from '../core/records.ts'
import { localIdOf, networkByName } from '../core/snapshot.ts'
import type { Engine } from '../engine/engine.ts'
import type { Store } from '../store/store.ts'
import { within } from '../within.ts'
import type { ReadyNetwork } from './driver-calls.ts'

export interface ReadyContext {
  store: Pick<Store, 'snapshot'>
  engine: Pick<Engine, 'networks'>
  host: HostName
}

/**
 * The cluster's network of that name, if the engine here has completed it and has no second network of that
 * name. An engine may make two networks of one name that are created at the same moment; the networks loop
 * then removes one.
 */
export async function readyNetwork(
  { store, engine, host }: ReadyContext,
  name: string,
): Promise<ReadyNetwork | undefined> {
  const network = networkByName(store.snapshot(), name)?.value
  if (network === undefined || network.removing) return undefined
  const localId = localIdOf(store.snapshot(), host, network.id)
  if (localId === undefined) return undefined
  const [here, another] = (await engine.networks()).filter((it) => it.name === name)
  return here?.id === localId && another === undefined ? { id: network.id, localId } : undefined
}

/** The engine sends its event before a new network can be used, so it is asked again in short steps. */
const stepMs = 15

/** Undefined when the network is not ready within `waitMs`. */
export async function waitForNetwork(
  context: ReadyContext & { store: Pick<Store, 'onChange'> },
  name: string,
  waitMs: number,
): Promise<ReadyNetwork | undefined> {
  const deadline = performance.now() + waitMs
  for (;;) {
    const found = await readyNetwork(context, name).catch((error: unknown) => {
      if (isCode(error, 'unavailable')) return undefined
      throw error
    })
    if (found !== undefined || performance.now() > deadline) return found
    await changeOrStep(context.store)
  }
}

async function changeOrStep(store: Pick<Store, 'onChange'>): Promise<void> {
  let stop: () => void = () => undefined
  const change = new Promise<void>((resolve) => {
    stop = store.onChange(() => resolve())
  })
  await within(change, stepMs)
  stop()
}
