/**
 * Networks as the docker wrapper needs them: under which id this host's engine has them, who is on them, and when
 * one that was just made can be used.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { isCode } from '../core/errors.ts'
import type { HostName, Snapshot } from '../core/records.ts'
import { endpointsOf, localIdOf, networkByName } from '../core/snapshot.ts'
import type { Engine } from '../engine/engine.ts'
import type { Store } from '../store/store.ts'
import type { NetworkView, ReadyNetwork } from './routes.ts'

export function viewNetworks(snapshot: Snapshot, host: HostName): NetworkView[] {
  const all = [...snapshot.networks.values()].filter(({ value }) => !value.removing)
  return all.map(({ value: { id, name } }) => {
    const localId = localIdOf(snapshot, host, id)
    return {
      id,
      ...(name === undefined ? {} : { name }),
      ...(localId === undefined ? {} : { localId }),
      users: endpointsOf(snapshot, id).map(({ value: { host, container } }) => ({
        host,
        ...(container === undefined ? {} : { container }),
      })),
    }
  })
}

export interface ReadyContext {
  store: Pick<Store, 'snapshot' | 'onChange'>
  engine: Pick<Engine, 'networks'>
  host: HostName
}

/**
 * The network that holds the name in the cluster, if the engine here has it, is done making it, and has no other of
 * that name: engines let two creations at the same moment pass, and the one that is too much goes a moment later.
 */
export async function readyNetwork(
  { store, engine, host }: Pick<ReadyContext, 'engine' | 'host'> & { store: Pick<Store, 'snapshot'> },
  name: string,
): Promise<ReadyNetwork | undefined> {
  const network = networkByName(store.snapshot(), name)?.value
  if (network === undefined || network.removing) return undefined
  const localId = localIdOf(store.snapshot(), host, network.id)
  if (localId === undefined) return undefined
  const [here, another] = (await engine.networks()).filter((it) => it.name === name)
  return here?.id === localId && another === undefined ? { id: network.id, localId } : undefined
}

/** The engine tells nobody when a creation is done, so it is asked again in short steps. */
const stepMs = 15

export async function waitForNetwork(
  context: ReadyContext,
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
  await Promise.race([change, delay(stepMs)])
  stop()
}
