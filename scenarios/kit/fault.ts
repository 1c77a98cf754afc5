/**
 * One fault: injected, verified to be in force, and reverted and verified to be over when its scope ends.
 */
import { undoAfter } from './suppressed.ts'
import { inTurn } from './together.ts'

export interface Fault extends AsyncDisposable {
  /**
   * Reverts the fault; resolves when it is verified to be over. A call after a revert that succeeded does
   * nothing.
   */
  heal(): Promise<void>
}

/** How a fault is verified. Each resolves when the host's own measurement shows it, and rejects after a deadline. */
export interface Verified {
  inForce(): Promise<unknown>
  healed(): Promise<unknown>
}

export interface FaultSteps extends Verified {
  inject(): Promise<unknown>
  revert(): Promise<unknown>
}

/** Resolves when the fault is in force. A fault that cannot be verified is reverted, and its error is thrown. */
export async function injectFault({ inject, inForce, revert, healed }: FaultSteps): Promise<Fault> {
  let over = false
  const heal = async (): Promise<void> => {
    if (over) return
    await revert()
    over = true
    await healed()
  }
  try {
    await inject()
    await inForce()
  } catch (error) {
    await undoAfter(error, revert)
  }
  return { heal, [Symbol.asyncDispose]: heal }
}

/** The newest first, each after the one before. A fault that cannot be healed keeps no other one in force. */
export function healAll(faults: readonly AsyncDisposable[]): Promise<void> {
  return inTurn(faults.toReversed(), (fault) => fault[Symbol.asyncDispose]())
}
