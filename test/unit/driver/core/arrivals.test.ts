import { expect, test } from 'vitest'
import { type Arrivals, afterLook, areLost, noArrivals } from '../../../../driver/core/arrivals.ts'

/** Looks, each as what the rule has counted and what the server has read. */
const after = (...looks: [redirected: number | undefined, read: number][]): boolean =>
  areLost(
    looks.reduce<Arrivals>((all, [redirected, read]) => afterLook(all, { redirected, read }), noArrivals),
  )

test.each<[string, boolean, Parameters<typeof after>]>([
  [
    'two looks with questions that nothing has read',
    true,
    [
      [0, 0],
      [3, 0],
      [5, 0],
    ],
  ],
  [
    'such looks with a quiet one between',
    true,
    [
      [0, 0],
      [3, 0],
      [3, 0],
      [5, 0],
    ],
  ],
  [
    'one such look: the question may be on its way',
    false,
    [
      [0, 0],
      [3, 0],
      [3, 0],
    ],
  ],
  [
    'what was counted before the driver started',
    false,
    [
      [7, 0],
      [7, 0],
      [7, 0],
    ],
  ],
  [
    'questions that are read',
    false,
    [
      [0, 0],
      [3, 3],
      [5, 5],
    ],
  ],
  [
    'questions that are read again',
    false,
    [
      [0, 0],
      [3, 0],
      [5, 0],
      [6, 1],
    ],
  ],
  [
    'rules that were made anew',
    false,
    [
      [9, 0],
      [0, 0],
      [0, 0],
    ],
  ],
  [
    'questions that are not counted',
    false,
    [
      [undefined, 0],
      [undefined, 0],
      [undefined, 0],
    ],
  ],
])('%s: lost is %s', (_, lost, looks) => {
  expect(after(...looks)).toBe(lost)
})
