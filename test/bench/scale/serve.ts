/**
 * The child's part of remote.ts: answers calls until its parent lets go of it.
 */
export type Calls = Record<string, (...args: never[]) => Promise<unknown>>

export interface Answer {
  id: number
  value?: unknown
  error?: string
}

export function serve(calls: Calls): void {
  process.on('message', async ({ id, name, args }: { id: number; name: string; args: never[] }) => {
    try {
      process.send?.({ id, value: await calls[name]?.(...args) })
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    }
  })
  process.on('disconnect', () => process.exit(0))
}
