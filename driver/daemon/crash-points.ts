/**
 * Crash points: the places where a driver that dies leaves something half done, for the tests that let it die
 * there.
 *
 * A point is passed right after a transaction of Consul's, after a batch in the kernel, and before an answer
 * to Docker if nothing was written since the answer before: right after a write the world is the same. With
 * MULTIHOST_CRASH_POINTS=FILE in the environment, and while FILE exists, points are counted from 1 and listed
 * in FILE.log; at the point whose number is in FILE the driver removes FILE and ends by SIGKILL. A number
 * that is never reached (0) only counts. Without the variable nothing is counted, read or written.
 */
import { appendFileSync, readFileSync, rmSync, statSync } from 'node:fs'

export interface CrashPoints {
  wrote(what: string): void
  answering(what: string): void
}

export const crashVariable = 'MULTIHOST_CRASH_POINTS'

/** `end` must not return to the caller: what it would do next is what did not happen. */
export function crashPoints(
  file: string | undefined,
  end: () => void = () => process.kill(process.pid, 'SIGKILL'),
): CrashPoints {
  if (file === undefined) return { wrote: () => undefined, answering: () => undefined }
  let armed = ''
  let count = 0
  let isWritten = false
  const passed = (point: string): void => {
    const stamp = stampOf(file)
    if (stamp !== armed) count = 0
    armed = stamp
    if (stamp === '') return
    count += 1
    appendFileSync(`${file}.log`, `${count} ${point}\n`)
    if (count !== Number(readFileSync(file, 'utf8'))) return
    // It dies once: the next life finds nothing.
    rmSync(file)
    end()
  }
  return {
    wrote(what) {
      isWritten = true
      passed(what)
    },
    answering(what) {
      if (!isWritten) passed(what)
      isWritten = false
    },
  }
}

/** Another text whenever the file was made anew; empty while it is not there. */
function stampOf(file: string): string {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? '' : `${stat.ino} ${stat.mtimeNs}`
}
