/**
 * A delay between two devices of a namespace: by the kernel (netem.ts), or by a process (relay.ts).
 */

/** Two devices: a frame that enters `near` leaves `far` after `ms`; the other way has no delay. */
export interface Pair {
  namespace: string
  near: string
  far: string
  ms: number
  /** From 0, distinct in the namespace. */
  index: number
}

/** Resolves when both devices are there. */
export type Delay = (pair: Pair) => Promise<void>
