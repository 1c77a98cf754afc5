/**
 * Faults of a lab's network, as a backend may offer them: what they are, and how they are written on a
 * command line.
 *
 * A lab has a list of faults in force. A change replaces the list; the empty list heals. A fault of one
 * direction acts on what the host sends, as netem on its interface does.
 */

import { hostNamed, type Lab } from '../lab/definition.ts'
import { LabError } from '../process/errors.ts'

export type NetworkFault =
  /** Neither host reaches the other; both reach all other hosts. */
  | { fault: 'partition'; between: readonly [string, string] }
  /** The host's cable is out: its interface has no carrier. */
  | { fault: 'unplug'; host: string }
  /** Of the frames that the host sends, this share is lost. */
  | { fault: 'lose'; host: string; percent: number }
  /** Each frame that the host sends arrives `ms` later; a round trip grows by `ms`. */
  | { fault: 'slow'; host: string; ms: number }

export interface NetworkFaults {
  /** The faults in force, in the order in which they were made. */
  inForce(): NetworkFault[]
  /**
   * Makes exactly those be in force that `next` makes of the ones in force. The changes of one process are
   * made one after another, and none is overwritten.
   */
  change(next: (inForce: readonly NetworkFault[]) => readonly NetworkFault[]): Promise<void>
}

const usage = 'partition HOST HOST, unplug HOST, lose HOST PERCENT or slow HOST MS'

/** Parses `partition net-1 net-2` and the like. Throws with the allowed forms. */
export function parseFault(
  lab: Lab,
  [word = '', first, second, ...surplus]: readonly string[],
): NetworkFault {
  const wrong = () =>
    new LabError(`"${[word, first, second, ...surplus].join(' ').trim()}" is not a fault`, {
      hint: `use ${usage}`,
    })
  if (first === undefined || surplus.length > 0) throw wrong()
  const host = hostNamed(lab, first).name
  if (word === 'unplug' && second === undefined) return { fault: 'unplug', host }
  if (second === undefined) throw wrong()
  if (word === 'partition') return { fault: 'partition', between: pair(host, hostNamed(lab, second).name) }
  if (word === 'lose') return { fault: 'lose', host, percent: number(second, 100, 'percent') }
  if (word === 'slow') return { fault: 'slow', host, ms: number(second, 60_000, 'milliseconds') }
  throw wrong()
}

/** Those in force with one more, which replaces one of the same kind on the same hosts. */
export function withFault(inForce: readonly NetworkFault[], more: NetworkFault): NetworkFault[] {
  const subject = (each: NetworkFault) =>
    [each.fault, ...(each.fault === 'partition' ? each.between.toSorted() : [each.host])].join(' ')
  return [...inForce.filter((each) => subject(each) !== subject(more)), more]
}

/** As it is typed. */
export function describeFault(fault: NetworkFault): string {
  switch (fault.fault) {
    case 'partition':
      return `partition ${fault.between.join(' ')}`
    case 'unplug':
      return `unplug ${fault.host}`
    case 'lose':
      return `lose ${fault.host} ${fault.percent}`
    case 'slow':
      return `slow ${fault.host} ${fault.ms}`
  }
}

function pair(a: string, b: string): readonly [string, string] {
  if (a !== b) return [a, b]
  throw new LabError(`${a} cannot be cut off from itself`, { hint: `use ${usage}` })
}

function number(text: string, most: number, unit: string): number {
  const value = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && value > 0 && value <= most) return value
  throw new LabError(`"${text}" ${unit}: a number above 0, at most ${most}`)
}
