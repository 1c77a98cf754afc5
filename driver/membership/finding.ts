/**
 * One line of `multihost doctor`.
 */
import { table } from '../cli/table.ts'

export interface Finding {
  check: string
  /** `unknown`: the check could not be made. It keeps no host out. */
  state: 'ok' | 'missing' | 'unknown'
  /** One sentence. */
  says: string
  /** What to do. */
  hint?: string
}

export function ok(check: string, says: string): Finding {
  return { check, state: 'ok', says }
}

export function missing(check: string, says: string, hint: string): Finding {
  return { check, state: 'missing', says, hint }
}

export function unknown(check: string, says: string, hint?: string): Finding {
  return { check, state: 'unknown', says, ...(hint !== undefined && { hint }) }
}

export function isMissing({ state }: Finding): boolean {
  return state === 'missing'
}

export function showFindings(findings: readonly Finding[]): string {
  return table(
    findings.map(({ check, state, says, hint }) => [
      state,
      check,
      hint === undefined ? says : `${says}; ${hint}`,
    ]),
  )
}
