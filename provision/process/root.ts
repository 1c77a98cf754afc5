import { LabError } from './errors.ts'

/** Throws with the command to type when this process is not root; `what` completes "… need root". */
export function requireRoot(what: string): void {
  if (process.getuid?.() === 0) return
  const [, script = '', ...args] = process.argv
  const command = ['scenarios', 'acceptance'].find((each) => script.endsWith(`/${each}/main.ts`)) ?? 'lab'
  const words = args.length > 0 ? ` -- ${args.join(' ')}` : ''
  throw new LabError(`${what} need root`, { hint: `as root: npm run ${command}${words}` })
}
