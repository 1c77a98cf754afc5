/**
 * What `work` resolves with; undefined when `ms` pass first. `work` goes on, and its later failure counts as
 * handled. The timer keeps no process alive.
 */
export async function within<T>(work: T | Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined).unref()
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
