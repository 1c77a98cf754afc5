/**
 * When a scenario has failed and then cannot clean up either, `await using` throws a SuppressedError without a word of
 * its own. Here it is what failed first, which is what a reader wants to see, with the rest below.
 *
 * Compilers take the global one where there is one; Node 20 has none.
 */
export function bothFailed(error: unknown, suppressed: unknown): Error {
  const [first, then] = [suppressed, error].map((each) =>
    each instanceof Error ? each : new Error(`${each}`),
  ) as [Error, Error]
  first.message += `\n\nand then, cleaning up: ${then.message}`
  return first
}

Object.assign(globalThis, { SuppressedError: bothFailed })
