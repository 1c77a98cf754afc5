/**
 * `--debug`: a scenario that has failed pauses until Enter is pressed at the terminal. The worker cannot read
 * the terminal, so it writes the reason to a file in the report's folder and waits until the parent has
 * removed the file.
 */
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, unwatchFile, watchFile, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { poll } from '../../provision/process/until.ts'
import { reportFolder } from './folder.ts'

/** Set for the workers of a run with `--debug`. */
export const debugVariable = 'MULTIHOST_DEBUG'

const file = (): string => join(reportFolder(), 'paused')

/** In a worker: resolves when the parent has answered. */
export async function pause(reason: string): Promise<void> {
  writeFileSync(file(), reason)
  await poll(() => (existsSync(file()) ? undefined : true), Number.POSITIVE_INFINITY, 100)
}

/**
 * In the parent: calls `answer` with the reason of each pause; the worker goes on when it resolves. Returns a
 * stop.
 */
export function answerPauses(answer: (reason: string) => Promise<void>): () => void {
  const path = file()
  let answering = false
  rmSync(path, { force: true })
  watchFile(path, { interval: 100 }, async () => {
    if (answering || !existsSync(path)) return
    answering = true
    await answer(readFileSync(path, 'utf8'))
    answering = false
    rmSync(path, { force: true })
  })
  return () => {
    unwatchFile(path)
    rmSync(path, { force: true })
  }
}

/** Resolves at the next line of the input, or at its end; at once when it has ended. */
export async function enterPressed(input: Readable): Promise<void> {
  if (input.readableEnded) return
  input.resume() // a listener alone does not resume an input that was paused
  const listening = new AbortController()
  const options = { signal: listening.signal }
  try {
    await Promise.race([once(input, 'data', options), once(input, 'end', options)])
  } finally {
    listening.abort()
    input.pause()
  }
}
