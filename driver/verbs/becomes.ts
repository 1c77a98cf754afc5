import type { Store } from '../store/store.ts'
import { within } from '../within.ts'

/** Waits until `isSo`, which is asked now and at each change of the store. False when `withinMs` pass first. */
export async function becomes(
  store: Pick<Store, 'onChange'>,
  isSo: () => boolean,
  withinMs: number,
): Promise<boolean> {
  if (isSo()) return true
  let stop: () => void = () => undefined
  const change = new Promise<true>((resolve) => {
    stop = store.onChange(() => isSo() && resolve(true))
  })
  const result = await within(change, withinMs)
  stop()
  return result ?? false
}
