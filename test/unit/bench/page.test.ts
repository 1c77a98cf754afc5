import { expect, test } from 'vitest'
import { goals } from '../../bench/goals.ts'
import { page } from '../../bench/page.ts'
import { recorder } from '../../bench/samples.ts'

test('a page has a dot per sample, a mark per peer, and nothing that a browser would fetch or run', () => {
  const { add, samples } = recorder()
  for (const value of [-3, 1, 2]) add('tcp-1', 'bare', value)
  add('tcp-1', 'macvlan', 4)
  const html = page(samples, goals(samples), { kernel: '<6>' })
  expect(html.match(/<circle /g)).toHaveLength(4)
  expect(html.match(/<rect /g)).toHaveLength(2)
  expect(html.match(/<svg /g)).toHaveLength(1)
  expect(html).toContain('&lt;6&gt;')
  expect(html).not.toMatch(/<script|src=|href=|NaN|undefined/)
})
