/**
 * Questions about single containers, beside the loop that works with the answers: a container that is being started
 * is locked, and whoever asks about it waits until it runs.
 */
import type { Engine, EngineContainer } from '../../engine/engine.ts'

export interface ContainerLooksOptions {
  engine: Pick<Engine, 'container'>
  /** Undefined when there is no such container. */
  seen(id: string, container: EngineContainer | undefined): void
  failed(id: string, error: unknown): void
}

export interface ContainerLooks {
  /** One that is being asked about is asked about once more: the first answer may be older than the reason. */
  look(id: string): void
  isAsking(id: string): boolean
}

export function containerLooks({ engine, seen, failed }: ContainerLooksOptions): ContainerLooks {
  const asking = new Set<string>()
  const again = new Set<string>()
  const ask = async (id: string): Promise<void> => {
    asking.add(id)
    try {
      seen(id, await engine.container(id))
    } catch (error) {
      failed(id, error)
    }
    asking.delete(id)
    if (again.delete(id)) await ask(id)
  }
  return {
    look(id) {
      if (asking.has(id)) again.add(id)
      else void ask(id)
    },
    isAsking: (id) => asking.has(id),
  }
}
