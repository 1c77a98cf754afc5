import { expect, test } from 'vitest'
import { listedIn } from '../../../scenarios/vitest.ts'

test("vitest's list of scenarios may be empty, and has other lines around it", () => {
  expect(listedIn('[]\n')).toEqual([])
  const one = [{ name: 'pings', file: '/a.scenario.ts' }]
  expect(listedIn(`a line\n${JSON.stringify(one, null, 2)}\nanother\n`)).toEqual(one)
  expect(() => listedIn('an error\n')).toThrow('the scenarios cannot be loaded: an error')
})
