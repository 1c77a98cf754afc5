/** The filter of tunnel packets on a kernel that lacks a part. What the rules do: test/contract/driver/kernel. */
import { expect, test } from 'vitest'
import { keepFilter } from '../../../../driver/kernel/tunnel-filter.ts'

test('a kernel that cannot leave packets untracked gets the filter all the same, once', async () => {
  const taken: string[] = []
  const answer = (code: number, stdout = '', stderr = '') => ({ code, stdout, stderr })
  const run = async (command: readonly string[], input = '') => {
    if (command.includes('list')) {
      const rules = [...(taken.at(-1) ?? '').matchAll(/^add rule inet multihost (\w+) .*comment "(.*)"$/gm)]
      if (rules.length === 0) return answer(1, '', 'No such file or directory')
      const listed = rules.map(([, chain, comment]) => ({ rule: { chain, comment, expr: [] } }))
      return answer(0, JSON.stringify({ nftables: listed }))
    }
    if (input.includes('notrack')) return answer(1, '', 'Could not process rule: No such file or directory')
    taken.push(input)
    return answer(0)
  }
  const filter = { vteps: ['192.168.33.11', '192.168.33.12'], ports: [4789], vnis: [256] }
  await keepFilter(run, [], () => filter)
  await keepFilter(run, [], () => filter)
  expect(taken).toHaveLength(1)
  expect(taken[0]).toContain(
    'judge ip daddr { 192.168.33.11, 192.168.33.12 } ip saddr { 192.168.33.11, 192.168.33.12 } fib saddr . iif oif != 0 accept',
  )
})
