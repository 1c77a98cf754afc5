/**
 * What is known, what is not known, and what is gone.
 *
 * Something that is missing, unreadable, old or of another store is not known. Only a proof says that it is
 * gone, and every function that removes something takes that proof as an argument.
 */
import type { Table } from './records.ts'

declare const proven: unique symbol

/** Evidence that something may be removed. Made by the functions below and by nothing else. */
export interface Proof {
  readonly [proven]: true
  /** For logs: `the store has no key networks/8805…`. */
  readonly says: string
}

export type Known<T> =
  | { is: 'known'; value: T; index: number }
  /** `why` is a clause for people: `its value cannot be read`. */
  | { is: 'unknown'; why: string }
  | { is: 'gone'; proof: Proof }

/** The store was read whole in the incarnation that this host belongs to, and does not have the key. */
export function absentFromStore(table: Table, key: string): Proof {
  return proof(`the store has no key ${table}/${key}`)
}

/** The store says so in a record that could be read. */
export function recordSays(what: string): Proof {
  return proof(what)
}

/** Docker said so: in a call to the driver, or in an answer to a question that was asked after the doubt arose. */
export function dockerSays(what: string): Proof {
  return proof(what)
}

/** The kernel shows that it is in no container. */
export function kernelShows(what: string): Proof {
  return proof(what)
}

/** A person said so, by a command on this host. */
export function personSays(what: string): Proof {
  return proof(what)
}

function proof(says: string): Proof {
  return { says } as Proof
}
