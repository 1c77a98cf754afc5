/**
 * Who wants to know of changes. One that throws is a defect of its own and keeps nothing from the others.
 */
export interface Listeners<Event extends unknown[]> {
  add(listener: (...event: Event) => void): () => void
  tell(...event: Event): void
}

export function createListeners<Event extends unknown[]>(failed: (error: unknown) => void): Listeners<Event> {
  const all = new Set<{ listener: (...event: Event) => void }>()
  return {
    add(listener) {
      const entry = { listener }
      all.add(entry)
      return () => void all.delete(entry)
    },
    tell(...event) {
      for (const { listener } of [...all]) {
        try {
          listener(...event)
        } catch (error) {
          failed(error)
        }
      }
    },
  }
}
