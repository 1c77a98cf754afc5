/**
 * MULTIHOST_PATIENCE: the factor of every deadline, a whole number from 1 to 10; 1 unless given. For emulated
 * machines, which are about ten times slower than real ones.
 */
import { LabError } from './errors.ts'

export const timeoutScale = timeoutScaleFrom(process.env.MULTIHOST_PATIENCE)

export function timeoutScaleFrom(value: string | undefined): number {
  if (!value) return 1
  if (/^([1-9]|10)$/.test(value)) return Number(value)
  throw new LabError(`MULTIHOST_PATIENCE=${value}: a whole number from 1 to 10`)
}
