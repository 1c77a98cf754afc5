/**
 * Ctrl-C and friends: work under way is ended, what was made is taken down, the exit code tells the signal.
 */
import { constants } from 'node:os'
import { interrupt } from './nspawn/run.ts'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** `onSignal` is called once, at the first signal; further ones change nothing. Returns the exit code asked for, if any. */
export function catchSignals(
  onSignal: (signal: NodeJS.Signals) => void = () => undefined,
): () => number | undefined {
  let first: NodeJS.Signals | undefined
  for (const signal of signals) {
    process.on(signal, () => {
      if (first) return console.error('already taking the lab down …')
      first = signal
      interrupt(signal)
      onSignal(signal)
    })
  }
  return () => (first ? 128 + constants.signals[first] : undefined)
}
