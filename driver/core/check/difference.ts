/**
 * Where two planes disagree: Consul, this host's kernel, this host's Docker. Plain data in, a list of sentences out.
 *
 * Each side is first turned into facts (an object's name → its state as text), so that one comparison serves all
 * planes. What is compared is what the planes say, not what a loop remembers or would do about it: a defect of a
 * loop's plan shows here too.
 */
import type { Change } from '../records.ts'

/** Where something is not as the store, or the store's own other records, say that it must be. */
export type Plane = 'store' | 'kernel' | 'docker' | 'hosts file'

export interface Difference {
  plane: Plane
  /** `network foobar: FDB entry 02:42:0a:09:00:02` */
  object: string
  expected: string
  found: string
  /** The way out, as the reader of the list can go it. */
  hint: string
  /** The commit that mends it, where that takes nothing from anybody; absent where a loop mends it, or a person must. */
  repair?: Change[]
}

/** An object's name → its state. */
export type Facts = ReadonlyMap<string, string>

export const nothing = 'nothing'
export const repairHint = 'multihost check --repair'

export function sentence({ plane, object, expected, found, hint }: Difference): string {
  return `${plane}: ${object}: found ${found}, expected ${expected}; ${hint}`
}

/** The same for as long as the same thing is wrong in the same way. */
export function identity({ plane, object, expected, found }: Difference): string {
  return JSON.stringify([plane, object, expected, found])
}

export interface Comparison {
  plane: Plane
  /** Put before every object's name: `network foobar: `. */
  about?: string
  want: Facts
  have: Facts
  more?(object: string): Partial<Pick<Difference, 'hint' | 'repair'>>
}

/** What is wanted and not so, and what is there and not wanted. */
export function compareFacts({ plane, about = '', want, have, more = () => ({}) }: Comparison): Difference[] {
  const objects = [...new Set([...want.keys(), ...have.keys()])].sort()
  return objects.flatMap((object): Difference[] => {
    const [expected, found] = [want.get(object) ?? nothing, have.get(object) ?? nothing]
    if (expected === found) return []
    return [{ plane, object: `${about}${object}`, expected, found, hint: repairHint, ...more(object) }]
  })
}
