/**
 * Ctrl-C and friends: work under way is ended, what was made is taken down, the exit code tells the signal.
 * A reader of our output that goes away (`| head`, a pager that is left) is one of them: Node has no SIGPIPE.
 */
import { constants } from 'node:os'
import { interrupt } from './run.ts'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** `onSignal` is called once, at the first signal; further ones change nothing. Returns the exit code asked for, if any. */
export function catchSignals(
  onSignal: (signal: NodeJS.Signals) => void = () => undefined,
): () => number | undefined {
  let first: NodeJS.Signals | undefined
  const caught = (signal: NodeJS.Signals) => {
    first = signal
    interrupt(signal)
    onSignal(signal)
  }
  for (const signal of signals) {
    process.on(signal, () => (first ? console.error('already taking the lab down …') : caught(signal)))
  }
  for (const output of [process.stdout, process.stderr]) {
    output.on('error', () => first || caught('SIGPIPE')) // later ones too are of no interest: nobody reads
  }
  return () => (first ? 128 + constants.signals[first] : undefined)
}
