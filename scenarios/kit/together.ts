/**
 * Several things at once, on several hosts mostly: it ends when the last of them has ended, since what one that failed
 * left running would go on into the next scenario. `Promise.all` does not wait.
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
