/** Listeners of one event. An error of one listener is reported and does not keep the event from the others. */
export interface Listeners<Event extends unknown[]> {
  /** Returns the function that removes the listener. */
  add(listener: (...event: Event) => void): () => void
  notify(...event: Event): void
}

export function createListeners<Event extends unknown[]>(failed: (error: unknown) => void): Listeners<Event> {
  const all = new Set<{ listener: (...event: Event) => void }>()
  return {
    add(listener) {
      const entry = { listener }
      all.add(entry)
      return () => void all.delete(entry)
    },
    notify(...event) {
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
