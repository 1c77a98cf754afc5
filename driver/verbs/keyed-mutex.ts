/**
 * One after the other, per key: requests of this host that would only take each other's address or pool away.
 */
export type Serial = <T>(key: string, work: () => Promise<T>) => Promise<T>

export function serial(): Serial {
  const tails = new Map<string, Promise<unknown>>()
  return (key, work) => {
    const before = tails.get(key) ?? Promise.resolve()
    const run = before.then(work, work)
    const tail = run
      .catch(() => undefined)
      .then(() => {
        if (tails.get(key) === tail) tails.delete(key)
      })
    tails.set(key, tail)
    return run
  }
}
