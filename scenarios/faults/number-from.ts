/** A number from the environment; `otherwise` when the variable is not set. Throws for one that is not above 0. */
export function positiveFrom(variable: string, otherwise: number): number {
  const text = process.env[variable]
  if (text === undefined || text === '') return otherwise
  if (/^\d{1,10}(\.\d+)?$/.test(text) && Number(text) > 0) return Number(text)
  throw new Error(`${variable}=${text}: a number above 0`)
}
