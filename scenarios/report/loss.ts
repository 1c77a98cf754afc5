/**
 * What a fault cost the traffic between two containers, in words.
 */
import type { Loss } from '../record/events.ts'

/** `96 of 412`, or `412 of 412, for good`. */
export function lossText({ lost, sent, isBack }: Loss): string {
  return isBack ? `${lost} of ${sent}` : `${lost} of ${sent}, for good`
}
