import { until } from './until.ts'

/**
 * Sends SIGKILL to the processes that `list` returns, until it returns none. `where` completes "processes …
 * of …".
 */
export async function killAll(list: () => Promise<readonly number[]>, where: string): Promise<void> {
  let left: readonly number[] = []
  const ended = async () => {
    left = await list()
    for (const pid of left) kill(pid)
    return left.length === 0
  }
  // A process that writes to a disk that stalls ends after the write.
  await until(ended, () => `processes ${left.join(', ')} of ${where} do not end`, 30_000)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
