/** An answer that is asked for once and remembered until it is forgotten. A failure is not remembered. */
export interface AskedOnce<T> {
  get(): Promise<T>
  /** The next `get` asks again. */
  forget(): void
}

export function askedOnce<T>(ask: () => Promise<T>): AskedOnce<T> {
  let answer: Promise<T> | undefined
  const forget = () => {
    answer = undefined
  }
  return {
    forget,
    async get() {
      answer ??= ask()
      try {
        return await answer
      } catch (error) {
        forget()
        throw error
      }
    },
  }
}
