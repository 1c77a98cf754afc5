/**
 * Runs several things at once, mostly on several hosts, and waits for the end of all of them. `Promise.all` does not
 * wait after a failure: work that still runs would reach into the next scenario.
 */
export async function together<T>(work: readonly [Promise<T>, Promise<T>]): Promise<[T, T]>
export async function together<T>(work: readonly Promise<T>[]): Promise<T[]>
export async function together<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const ended = await Promise.allSettled(work)
  const failures = ended.flatMap((each) => (each.status === 'rejected' ? [each.reason as Error] : []))
  const [first] = failures
  if (first === undefined) return ended.map((each) => (each as PromiseFulfilledResult<T>).value)
  if (failures.length === 1) throw first
  throw new AggregateError(
    failures,
    failures.map(({ message }) => message).join('\n\nand at the same time: '),
  )
}
