/**
 * The differences between two sources: the store, this host's kernel, this host's Docker. Plain data in, a
 * list of sentences out.
 *
 * Each source is first turned into facts (an object's name → its state as text), so that one comparison
 * serves all sources. The sources themselves are compared, not what a loop remembers or plans: a defect of a
 * loop's plan shows here too.
 */
import type { Change } from '../records.ts'

/** The source that differs from the store, or from the store's other records. */
export type Plane = 'store' | 'kernel' | 'docker' | 'hosts file' | 'tunnel'

export interface Difference {
  plane: Plane
  /** `network foobar: FDB entry 02:42:0a:09:00:02` */
  object: string
  expected: string
  found: string
  /** What the reader can do. */
  hint: string
  /**
   * The commit that repairs it, if that takes nothing from other records; absent when a loop repairs it, or a
   * person must.
   */
  repair?: Change[]
}

/** An object's name → its state. */
export type Facts = ReadonlyMap<string, string>

export const nothing = 'nothing'
export const repairHint = 'multihost check --repair'

export function sentence({ plane, object, expected, found, hint }: Difference): string {
  return `${plane}: ${object}: found ${found}, expected ${expected}; ${hint}`
}

/** Equal for two reports of the same difference. */
export function identity({ plane, object, expected, found }: Difference): string {
  return JSON.stringify([plane, object, expected, found])
}

export interface Comparison {
  plane: Plane
  /** Prefix of every object's name: `network foobar: `. */
  about?: string
  want: Facts
  have: Facts
  more?(object: string): Partial<Pick<Difference, 'hint' | 'repair'>>
}

/** The facts that are missing, different or unexpected. */
export function compareFacts({ plane, about = '', want, have, more = () => ({}) }: Comparison): Difference[] {
  const objects = [...new Set([...want.keys(), ...have.keys()])].sort()
  return objects.flatMap((object): Difference[] => {
    const expected = want.get(object) ?? nothing
    const found = have.get(object) ?? nothing
    if (expected === found) return []
    return [{ plane, object: `${about}${object}`, expected, found, hint: repairHint, ...more(object) }]
  })
}
