/** The way to the driver’s DNS by iptables, whose lock other programs hold. What rules do: test/contract/driver. */
import { expect, test } from 'vitest'
import { redirectPort, removeRedirect } from '../../../../driver/kernel/redirect.ts'
import type { Run } from '../../../../driver/kernel/run-command.ts'

const of = { address: '169.254.255.53', port: 53, to: 61_053 }

/** A machine without `nft`. `locked`: calls of iptables that find the lock held. */
function machine() {
  const rules: string[] = []
  const state = { rules, locked: 0 }
  const run: Run = async ([tool = '', ...args]) => {
    const answer = (code: number, stderr = '') => ({ code, stdout: '', stderr })
    if (tool === 'nft') return answer(1, 'nft: not found')
    if (tool === 'ip') return answer(0)
    if (state.locked-- > 0)
      return answer(4, 'Another app is currently holding the xtables lock; waited (2s) for it to exit.')
    const at = args.findIndex((it) => /^-[CID]$/.test(it))
    const rule = [args[at + 1], ...args.slice(at + 2).filter((it) => it !== '1')].join(' ')
    if (args[at] === '-I') rules.push(rule)
    else if (!rules.includes(rule))
      return answer(1, 'iptables: Bad rule (does a matching rule exist in that chain?).')
    else if (args[at] === '-D') rules.splice(rules.indexOf(rule), 1)
    return answer(0)
  }
  return { state, run }
}

test('rules that iptables cannot look for are not made a second time', async () => {
  const { state, run } = machine()
  await redirectPort(run, [], of)
  const made = [...state.rules]
  expect(made).toHaveLength(4)
  state.locked = 1
  await expect(redirectPort(run, [], of)).rejects.toThrow(/holding the xtables lock/)
  expect(state.rules).toEqual(made)
})

test('rules that iptables cannot remove are not taken for removed', async () => {
  const { state, run } = machine()
  await redirectPort(run, [], of)
  state.locked = 1
  await expect(removeRedirect(run, [], of)).rejects.toThrow(/holding the xtables lock/)
  await removeRedirect(run, [], of)
  expect(state.rules).toEqual([])
})
