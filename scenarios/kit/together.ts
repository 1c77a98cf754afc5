/**
 * Runs several things at once, mostly on several hosts, and waits for the end of all of them. `Promise.all`
 * does not wait after a failure: work that still runs would reach into the next scenario.
 */
import { messageOf } from '../../provision/process/errors.ts'

export async function together<T>(work: readonly [Promise<T>, Promise<T>]): Promise<[T, T]>
export async function together<T>(work: readonly Promise<T>[]): Promise<T[]>
export async function together<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const ended = await Promise.allSettled(work)
  throwAll(
    ended.flatMap((each) => (each.status === 'rejected' ? [each.reason] : [])),
    'and at the same time',
  )
  return ended.map((each) => (each as PromiseFulfilledResult<T>).value)
}

/** Each after the one before, also after a failure. Throws all failures at the end. */
export async function inTurn<T>(all: Iterable<T>, work: (each: T) => PromiseLike<unknown>): Promise<void> {
  const failures: unknown[] = []
  for (const each of all) {
    try {
      await work(each)
    } catch (error) {
      failures.push(error)
    }
  }
  throwAll(failures, 'and then')
}

/** A single failure as it is, several as an AggregateError. Returns without a failure. */
function throwAll(failures: readonly unknown[], between: string): void {
  if (failures.length === 0) return
  if (failures.length === 1) throw failures[0]
  const messages = failures.map(messageOf)
  throw new AggregateError(failures, messages.join(`\n\n${between}: `))
}
