import { LabError } from './errors.ts'
import { programCommand } from './lab-command.ts'
import { shellQuote } from './quote.ts'

/** Throws with the command to type when this process is not root; `what` completes "… need root". */
export function requireRoot(what: string): void {
  if (process.getuid?.() === 0) return
  const [, script = '', ...args] = process.argv
  const program = ['scenarios', 'acceptance'].find((each) => script.endsWith(`/${each}/main.ts`)) ?? 'lab'
  const command = [programCommand(program), ...args.map(shellQuote)].join(' ')
  throw new LabError(`${what} need root`, { hint: `as root: ${command}` })
}
