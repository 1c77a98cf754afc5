/** Rejects with `late()` when `work` takes longer than `limitMs`. `work` goes on. */
export async function withLimit<T>(
  work: Promise<T>,
  limitMs: number | undefined,
  late: () => Error,
): Promise<T> {
  if (limitMs === undefined) return work
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), limitMs)
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}
