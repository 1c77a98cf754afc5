/**
 * Inspections of single containers, each on its own: while a container starts, the engine holds its lock, and
 * an inspection waits until it runs.
 */
import type { Engine, EngineContainer } from '../../engine/engine.ts'

export interface InspectionsOptions {
  engine: Pick<Engine, 'container'>
  /** `container` is undefined when the engine has no such container. */
  inspected(id: string, container: EngineContainer | undefined): void
  failed(id: string, error: unknown): void
}

export interface Inspections {
  /**
   * A container that is being inspected is inspected once more: the present answer may be older than the
   * reason to ask.
   */
  inspect(id: string): void
  isInspecting(id: string): boolean
}

export function createInspections({ engine, inspected, failed }: InspectionsOptions): Inspections {
  const running = new Set<string>()
  const again = new Set<string>()
  const run = async (id: string): Promise<void> => {
    running.add(id)
    try {
      inspected(id, await engine.container(id))
    } catch (error) {
      failed(id, error)
    }
    running.delete(id)
    if (again.delete(id)) await run(id)
  }
  return {
    inspect(id) {
      if (running.has(id)) again.add(id)
      else void run(id)
    },
    isInspecting: (id) => running.has(id),
  }
}
