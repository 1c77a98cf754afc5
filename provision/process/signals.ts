/**
 * SIGINT, SIGTERM and SIGHUP: the work under way is ended, what was made is taken down, and the exit code
 * names the signal. A closed output (`| head`, a pager that was left) counts as SIGPIPE, which Node does not
 * deliver.
 */
import { constants } from 'node:os'
import { interrupt } from './interruption.ts'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Calls `onSignal` once, at the first signal; later ones change nothing. Returns the signal's exit code, if any. */
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
    output.on('error', () => first || caught('SIGPIPE')) // later errors are ignored: the reader has gone
  }
  return () => (first ? 128 + constants.signals[first] : undefined)
}
