/**
 * One lab for the tests that leave a lab as they find it. The first of them brings it up. It is this
 * project's global setup in vitest.config.ts, which takes the lab down after the last file.
 */
import { lab } from './machine.ts'

export const sharedLab = 'tshared'

export async function bringUpSharedLab(): Promise<void> {
  await labOrThrow('up')
}

/** Vitest's hook after the last file. */
export async function teardown(): Promise<void> {
  await labOrThrow('down')
}

async function labOrThrow(verb: 'up' | 'down'): Promise<void> {
  const { code, stdout, stderr } = await lab(verb, '--lab', sharedLab)
  if (code !== 0) throw new Error(`lab ${verb} --lab ${sharedLab} exited with ${code}: ${stdout}${stderr}`)
}
