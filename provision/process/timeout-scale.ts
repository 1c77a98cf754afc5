/**
 * How much longer than usual a host may take, for all deadlines alike: MULTIHOST_PATIENCE, 1 unless given.
 *
 * An emulated machine is ten times slower than one on a real processor, and no less right.
 */
import { LabError } from './errors.ts'

export const patience = patienceFrom(process.env.MULTIHOST_PATIENCE)

export function patienceFrom(value: string | undefined): number {
  if (!value) return 1
  if (/^([1-9]|10)$/.test(value)) return Number(value)
  throw new LabError(`MULTIHOST_PATIENCE=${value}: a whole number from 1 to 10`)
}
